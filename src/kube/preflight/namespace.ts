import { adviseOnRefusal, ENFORCE_LABEL } from '../privilege-ladder';
import { quantity } from '../quantity';
import { request } from '../request';
import { type Check, failed, ok, type Subject } from './check';

/** Pod Security as the namespace's labels say it; the cluster's own default shows only in the dry run of a pod. */
export async function checkPodSecurity(subject: Subject): Promise<Check[]> {
  const { cluster, agentNamespace: namespace, signal } = subject;
  const { body } = await request(cluster, {
    path: `/api/v1/namespaces/${namespace}`,
    operation: { verb: 'get', resource: 'namespaces', namespace: undefined },
    signal,
  });
  const level = body.metadata.labels?.[ENFORCE_LABEL] ?? 'privileged';
  const needed = levelNeeded(subject);
  const detail = `namespace "${namespace}" enforces "${level}"; the agent as configured needs "${needed}"`;
  const LEVELS = ['restricted', 'baseline', 'privileged'];
  if (LEVELS.indexOf(level) >= LEVELS.indexOf(needed)) return [ok('pod-security', detail)];
  return [failed('pod-security', detail, adviseOnRefusal('PodSecurity', namespace))];
}

function levelNeeded({ config }: Subject): 'privileged' | 'baseline' {
  const { ephemeral, disabledCapabilities, privileged } = config.agent;
  if (config.target.kind === 'targetless') return 'baseline';
  const bare = ['SYS_PTRACE', 'NET_ADMIN'].every((name) => disabledCapabilities.includes(name));
  return ephemeral && bare && !privileged ? 'baseline' : 'privileged';
}

/** Whether one more Job and pod fit into the quotas there are. */
export async function checkQuota({ cluster, config, agentNamespace, signal }: Subject): Promise<Check[]> {
  if (config.agent.ephemeral && config.target.kind !== 'targetless') return [];
  const options = {
    path: `/api/v1/namespaces/${agentNamespace}/resourcequotas`,
    operation: { verb: 'list', resource: 'resourcequotas', namespace: agentNamespace },
    signal,
  };
  // Small API servers have no such resource, and then no quotas.
  const { statusCode, body } = await request(cluster, options, [404]);
  if (statusCode === 404 || body.items.length === 0) return [ok('quota', `namespace "${agentNamespace}" has none`)];
  const { requests = {}, limits = {} } = config.agent.resources;
  const asked: Record<string, string | undefined> = {
    pods: '1',
    'count/pods': '1',
    'count/jobs.batch': '1',
    cpu: requests.cpu,
    memory: requests.memory,
    'requests.cpu': requests.cpu,
    'requests.memory': requests.memory,
    'limits.cpu': limits.cpu,
    'limits.memory': limits.memory,
  };
  const short = (body.items as any[]).flatMap(({ metadata, status }) =>
    Object.entries<string>(status?.hard ?? {})
      .filter(
        ([key, hard]) => asked[key] && quantity(status.used?.[key] ?? '0') + quantity(asked[key]) > quantity(hard),
      )
      .map(
        ([key, hard]) =>
          `"${metadata.name}" allows ${key}=${hard}, ${status.used?.[key] ?? 0} used, ${asked[key]} more needed`,
      ),
  );
  if (short.length > 0) return [failed('quota', short.join('; '), adviseOnRefusal('exceeded quota', agentNamespace))];
  const number = body.items.length === 1 ? 'one quota' : `${body.items.length} quotas`;
  return [ok('quota', `namespace "${agentNamespace}" has ${number}, with room for the agent`)];
}
