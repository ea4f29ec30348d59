import type { ResolvedConfig } from '../../config/types';
import { isMirrordError } from '../../errors';
import type { Cluster } from '../cluster';
import { findTarget } from '../find-target';
import type { Pod } from '../objects';
import { request } from '../request';
import { type Check, failed, guarded, ok, type Subject } from './check';
import { checkDryRun } from './dry-run';
import { checkMesh } from './mesh';
import { checkPodSecurity, checkQuota } from './namespace';
import { checkNode } from './node';
import { checkRights } from './rights';

/**
 * Looks at everything that a start of a session depends on, without creating anything.
 *
 * @throws MirrordError CLUSTER_*: when the server does not answer or does not know us, nothing else can be told
 */
export async function runPreflight(cluster: Cluster, config: ResolvedConfig, signal?: AbortSignal): Promise<Check[]> {
  const namespace = config.namespace ?? cluster.namespace;
  const inside = config.agent.ephemeral && config.target.kind !== 'targetless';
  const agentNamespace = inside ? namespace : (config.agent.namespace ?? namespace);
  const version = await checkVersion(cluster, signal);
  const subject: Subject = { cluster, config, namespace, agentNamespace, signal };
  const [rights, target] = await Promise.all([
    guarded('rights', () => checkRights(subject)),
    guarded('target', () => checkTarget(subject)),
  ]);
  const rest = await Promise.all([
    guarded('node', () => checkNode(subject)),
    guarded('pod-security', () => checkPodSecurity(subject)),
    guarded('quota', () => checkQuota(subject)),
    guarded('dry-run', () => checkDryRun(subject)),
  ]);
  return [version, ...rights, ...target, ...rest.flat(), ...checkMesh(subject)];
}

async function checkVersion(cluster: Cluster, signal?: AbortSignal): Promise<Check> {
  const { body } = await request(cluster, {
    path: '/version',
    operation: { verb: 'get', resource: 'version', namespace: undefined },
    signal,
  });
  return ok('cluster', `${cluster.server.host} (context ${cluster.contextName}), Kubernetes ${body.gitVersion}`);
}

/** Puts the target into the subject, for the checks that come after it. */
async function checkTarget(subject: Subject): Promise<Check[]> {
  const { cluster, config, namespace, signal } = subject;
  if (config.target.kind === 'targetless') return [ok('target', 'none (targetless)')];
  try {
    const { target } = await findTarget(cluster, config.target, namespace, signal);
    const { body } = await request(cluster, {
      path: `/api/v1/namespaces/${namespace}/pods/${target.pod}`,
      operation: { verb: 'get', resource: 'pods', namespace },
      signal,
    });
    subject.target = target;
    subject.pod = body as Pod;
    return [
      ok('target', `pod ${target.pod}, container ${target.container} (${target.reason}), on node ${target.nodeName}`),
    ];
  } catch (error) {
    if (!isMirrordError(error)) throw error;
    return [failed('target', `${error.code}: ${error.message}`, error.hint)];
  }
}
