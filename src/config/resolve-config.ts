import { defaultAgent, defaultFeature } from './defaults';
import type { Values } from './flatten';
import { reflectInDns } from './reflect-filter';
import { refuseBoth } from './refuse-both';
import { resolveIncoming, switchOffIncoming } from './resolve-incoming';
import { parseTarget } from './target';
import type { AddressFilter, AgentConfig, FeatureConfig, ResolvedConfig } from './types';

/** Puts what was given over the defaults. Values have been checked one by one; here is what holds between them. */
export function resolveConfig(values: Values, env: NodeJS.ProcessEnv): { config: ResolvedConfig; warnings: string[] } {
  const get = <T>(key: string): T | undefined => values.get(key)?.value as T | undefined;
  const path = values.get('target.path')!;
  const target = parseTarget(path.value, path.source);
  const warnings: string[] = [];
  const feature = resolveFeature(values);
  if (target.kind === 'targetless') warnings.push(...switchOffIncoming(feature.network.incoming, values));
  // Without a target, "the pod's files" would be those of the agent's own image.
  if (target.kind === 'targetless' && !values.has('feature.fs.mode')) feature.fs.mode = 'localwithoverrides';
  if (target.kind !== 'targetless' && values.has('agent.node_selector')) {
    warnings.push('agent.node_selector has no effect with a target: the agent runs on the node of the target.');
  }
  if (get('target.replicas') === 'all' && (target.kind === 'targetless' || target.kind === 'pod')) {
    const why = target.kind === 'pod' ? 'a pod that is named is one pod' : 'there are no pods without a target';
    warnings.push(`target.replicas has no effect here: ${why}.`);
  }
  const ephemeral = values.get('agent.ephemeral')?.value === true;
  if (ephemeral && target.kind === 'targetless') {
    warnings.push('agent.ephemeral has no effect without a target: there is no pod to put a container into.');
  } else if (ephemeral && values.has('agent.namespace')) {
    warnings.push('agent.namespace has no effect with agent.ephemeral: the agent runs inside the pod of the target.');
  }
  const config: ResolvedConfig = {
    target,
    replicas: get('target.replicas') ?? 'one',
    namespace: get('target.namespace'),
    kubeconfig: get('kubeconfig'),
    context: get('kube_context'),
    acceptInvalidCertificates: get('accept_invalid_certificates') ?? false,
    agent: resolveAgent(values, env),
    feature,
    onFailure: get('on_failure') ?? 'exit',
    sources: { target: path.source, ...Object.fromEntries([...values].map(([key, { source }]) => [key, source])) },
  };
  return { config, warnings };
}

function resolveAgent(values: Values, env: NodeJS.ProcessEnv): AgentConfig {
  const agent = withGiven(defaultAgent(env), values, 'agent');
  const requests = values.get('agent.resources.requests')?.value as Record<string, string> | undefined;
  const limits = values.get('agent.resources.limits')?.value as Record<string, string> | undefined;
  if (requests || limits)
    agent.resources = { ...agent.resources, ...(requests && { requests }), ...(limits && { limits }) };
  return agent;
}

function resolveFeature(values: Values): FeatureConfig {
  const defaults = defaultFeature();
  const outgoing = withGiven(defaults.network.outgoing, values, 'feature.network.outgoing');
  const dns = withGiven(defaults.network.dns, values, 'feature.network.dns');
  outgoing.filter = resolveFilter(values, 'feature.network.outgoing.filter');
  dns.filter = reflectInDns(outgoing.filter, resolveFilter(values, 'feature.network.dns.filter'));
  refuseBoth(values, 'feature.env.include', 'feature.env.exclude');
  return {
    env: withGiven(defaults.env, values, 'feature.env'),
    fs: withGiven(defaults.fs, values, 'feature.fs'),
    network: {
      outgoing,
      dns,
      incoming: resolveIncoming(withGiven(defaults.network.incoming, values, 'feature.network.incoming'), values),
    },
    hostname: (values.get('feature.hostname')?.value as boolean | undefined) ?? defaults.hostname,
  };
}

/** The defaults of a section with what was given over them; keys that this version does not act on stay out. */
function withGiven<T extends object>(defaults: T, values: Values, section: string): T {
  const merged = { ...defaults } as Record<string, unknown>;
  for (const [key, { value }] of values) {
    if (!key.startsWith(`${section}.`)) continue;
    const name = key.slice(section.length + 1).replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (Object.hasOwn(defaults, name)) merged[name] = value;
  }
  return merged as T;
}

function resolveFilter(values: Values, key: string): AddressFilter | undefined {
  refuseBoth(values, `${key}.remote`, `${key}.local`);
  const remote = values.get(`${key}.remote`)?.value as string[] | undefined;
  const local = values.get(`${key}.local`)?.value as string[] | undefined;
  return remote ? { remote } : local ? { local } : undefined;
}
