import type { Pod } from '../objects';
import { type Check, ok, type Subject, warning } from './check';

/** Containers by which a mesh is known. */
const SIDECARS: [string, RegExp][] = [
  ['Istio', /^istio-(?:proxy|init|validation)$/],
  ['Linkerd', /^linkerd-(?:proxy|init)$/],
  ['Kuma', /^kuma-(?:sidecar|init)$/],
];

/** Which mesh the target is part of, by its containers and annotations. */
export function detectMesh({
  metadata,
  spec,
}: Pod & { spec: { initContainers?: { name: string }[] } }): string | undefined {
  if (metadata.annotations?.['ambient.istio.io/redirection'] === 'enabled') return 'Istio (ambient)';
  const names = [...spec.containers, ...(spec.initContainers ?? [])].map(({ name }) => name);
  return SIDECARS.find(([, pattern]) => names.some((name) => pattern.test(name)))?.[0];
}

export function checkMesh({ pod, config }: Subject): Check[] {
  if (!pod) return [];
  const mesh = detectMesh(pod);
  if (!mesh) return [ok('mesh', 'the target has no sidecar of a mesh that is known')];
  if (mesh === 'Istio (ambient)' && !config.agent.privileged) {
    return [
      warning(
        'mesh',
        `${mesh}: traffic rules may need more than the capabilities that are asked for`,
        'If they fail: "agent.privileged": true.',
      ),
    ];
  }
  return [ok('mesh', `${mesh}: outgoing connections leave through the target's own proxy, as those of the app do`)];
}
