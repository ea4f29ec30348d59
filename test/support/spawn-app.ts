import { settings } from './cluster';

export { cli, type Outcome, preload, root, runForJson, runProcess, type SpawnOptions } from './run-process';

/** Variables that point a process at the suite's cluster. `CI` makes an agent end with its last session. */
export function clusterEnv(target: string | undefined, namespace: string): Record<string, string | undefined> {
  return {
    KUBECONFIG: settings.kubeconfig,
    MIRRORD_TARGET: target,
    MIRRORD_TARGET_NAMESPACE: namespace,
    MIRRORD_AGENT_IMAGE: settings.agentImage,
    CI: 'true',
    NODE_OPTIONS: undefined,
    FORCE_COLOR: undefined,
  };
}
