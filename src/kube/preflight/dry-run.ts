import { planAgent } from '../agent-job';
import { buildContainer } from '../ephemeral';
import { adviseOnRefusal } from '../privilege-ladder';
import { request } from '../request';
import { type Check, failed, ok, type Subject, warning } from './check';
import { isGranted } from './rights';

/** Lets the server check what a session would create, without creating it. */
export async function checkDryRun(subject: Subject): Promise<Check[]> {
  const { config, target } = subject;
  if (config.target.kind !== 'targetless' && !target) return [];
  if (config.agent.ephemeral && target) return [await tryEphemeral(subject)];
  const { manifest } = planAgent(config.agent, target, subject.agentNamespace);
  // A quota and Pod Security act on pods, which a Job's dry run does not make.
  return [await tryJob(subject, manifest), await tryPod(subject, manifest)];
}

function tryJob(subject: Subject, manifest: unknown): Promise<Check> {
  const path = `/apis/batch/v1/namespaces/${subject.agentNamespace}/jobs`;
  return tryWrite(subject, 'job', 'jobs', { method: 'POST', path, body: manifest });
}

async function tryPod(subject: Subject, manifest: any): Promise<Check> {
  const { agentNamespace: namespace } = subject;
  if (!(await isGranted(subject, '', 'pods', 'create', namespace))) {
    const detail = 'you may not create pods yourself, which a session does not need: so only the Job was tried';
    return { name: 'pod', status: 'skipped', detail };
  }
  const { metadata, spec } = manifest.spec.template;
  const body = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, namespace, generateName: 'mirrord-agent-check-' },
    spec,
  };
  return tryWrite(subject, 'pod', 'pods', { method: 'POST', path: `/api/v1/namespaces/${namespace}/pods`, body });
}

function tryEphemeral(subject: Subject): Promise<Check> {
  const { namespace, pod } = subject.target!;
  const container = buildContainer(subject.config.agent, subject.target!, subject.pod!);
  return tryWrite(subject, 'ephemeral-container', 'pods/ephemeralcontainers', {
    method: 'PATCH',
    path: `/api/v1/namespaces/${namespace}/pods/${pod}/ephemeralcontainers`,
    contentType: 'application/strategic-merge-patch+json',
    body: { spec: { ephemeralContainers: [container] } },
  });
}

interface Write {
  method: 'POST' | 'PATCH';
  path: string;
  body: unknown;
  contentType?: string;
}

async function tryWrite(
  { cluster, agentNamespace, signal }: Subject,
  name: string,
  resource: string,
  write: Write,
): Promise<Check> {
  const operation = { verb: write.method === 'POST' ? 'create' : 'patch', resource, namespace: undefined };
  const query = { dryRun: 'All', fieldManager: 'mirrord-node' };
  const { statusCode, headers, body } = await request(
    cluster,
    { ...write, query, operation, signal },
    [400, 403, 404, 409, 422],
  );
  if (statusCode === 409) return ok(name, 'an agent for this target is there and would be joined');
  if (statusCode >= 300) {
    const isRight = / cannot \w+ resource /.test(body.message);
    return failed(
      name,
      `the server refuses it: ${body.message}`,
      isRight ? undefined : adviseOnRefusal(body.message, agentNamespace),
    );
  }
  const words = warningsOf(headers);
  if (words.length > 0)
    return warning(
      name,
      `the server would take it and warns: ${words.join('; ')}`,
      adviseOnRefusal(words.join(), agentNamespace),
    );
  return ok(name, 'the server would take it (dry run)');
}

/** `Warning: 299 - "text"`, one or several; Node joins repeated headers with a comma. */
export function warningsOf(headers: Record<string, string | string[] | undefined>): string[] {
  const text = [headers.warning ?? []].flat().join(', ');
  return [...text.matchAll(/\b\d{3} \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, words]) => words!.replace(/\\(.)/g, '$1'));
}
