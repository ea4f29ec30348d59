import { request } from '../request';
import { PERMISSIONS, type Permission, roleYaml, subjectOf } from '../role';
import { type Check, ok, type Subject } from './check';

/** Asks for every verb by itself whether it is granted, and prints one Role for each namespace with all that is not. */
export async function checkRights(subject: Subject): Promise<Check[]> {
  const needed = PERMISSIONS.filter((permission) => applies(permission, subject));
  const answers = await Promise.all(needed.map((permission) => review(subject, permission)));
  const refused = answers.filter(({ missing }) => missing.length > 0);
  const user = refused.length > 0 ? await whoAmI(subject) : undefined;
  const roleFor = (namespace: string) => {
    const there = refused.filter((answer) => answer.namespace === namespace);
    return roleYaml(
      namespace,
      user,
      there.map(({ permission, missing }) => ({ ...permission, verbs: missing })),
    );
  };
  return answers.map(({ permission, missing, namespace }) => {
    const { resources, verbs, without, apart } = permission;
    const name = `right:${resources[0]}${apart ? `:${apart}` : ''}`;
    if (missing.length === 0) return ok(name, `${verbs.join(', ')} ${resources[0]} in namespace "${namespace}"`);
    const required = without === 'required' || isAsked(permission);
    return {
      name,
      status: required ? 'failed' : 'warning',
      detail: `you may not ${missing.join(', ')} ${resources[0]} in namespace "${namespace}"${required ? '' : `; without it there are no ${without}`}`,
      remedy: `Whoever administers the cluster grants it with:\n${roleFor(namespace)}`,
    };
  });
}

function applies(permission: Permission, { config, namespace, agentNamespace }: Subject): boolean {
  const { targets, mode, side, apart } = permission;
  const { target, agent } = config;
  // Inside the target's pod no right on Jobs is needed, except to find the target itself.
  const isGrantedTo = permission.group !== 'batch' || !agent.ephemeral;
  if (apart && namespace === agentNamespace && isGrantedTo) return false;
  if (side === 'target' && target.kind === 'targetless') return false;
  if (targets && !(target.kind !== 'targetless' && targets.includes(target.kind))) return false;
  return mode === undefined || mode === (agent.ephemeral && target.kind !== 'targetless' ? 'ephemeral' : 'job');
}

/** What applies to one kind of target or one way to start was chosen by the user, so it is needed. */
function isAsked({ targets, mode }: Permission): boolean {
  return targets !== undefined || mode !== undefined;
}

async function review(subject: Subject, permission: Permission) {
  const namespace = permission.side === 'target' ? subject.namespace : subject.agentNamespace;
  const granted = await Promise.all(
    permission.verbs.map((verb) => isGranted(subject, permission.group, permission.resources[0]!, verb, namespace)),
  );
  return { permission, namespace, missing: permission.verbs.filter((_, index) => !granted[index]) };
}

/** SelfSubjectAccessReview: everybody with an account may ask it. */
export async function isGranted(
  { cluster, signal }: Subject,
  group: string,
  path: string,
  verb: string,
  namespace: string | undefined,
): Promise<boolean> {
  const [resource, subresource] = path.split('/');
  const { body } = await request(cluster, {
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { group, resource, subresource, verb, namespace } },
    },
    operation: { verb: 'create', resource: 'selfsubjectaccessreviews', namespace: undefined },
    signal,
  });
  return body.status?.allowed === true;
}

/** Servers before 1.28 do not tell; then the Role comes without its binding. */
async function whoAmI({ cluster, signal }: Subject) {
  try {
    const { body } = await request(cluster, {
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      operation: { verb: 'create', resource: 'selfsubjectreviews', namespace: undefined },
      signal,
    });
    const user = body.status?.userInfo?.username;
    return typeof user === 'string' ? subjectOf(user) : undefined;
  } catch {
    return undefined;
  }
}
