import type { TargetKind } from '../config/types';

/** One permission that a session needs. */
export interface Permission {
  group: '' | 'batch' | 'apps' | 'argoproj.io';
  resources: string[];
  verbs: string[];
  /** Needed always, or what is lost without it. */
  without: 'required' | string;
  /** Needed for targets of these kinds alone. */
  targets?: TargetKind[];
  /** Needed for one of the two ways to bring the agent in alone. */
  mode?: 'job' | 'ephemeral';
  /** Where: in the namespace of the agent (default), or in that of the target, which may be another. */
  side?: 'target';
  /** Granted by another entry already unless agent and target have namespaces of their own; what a check of it is called then. */
  apart?: 'target' | 'following';
}

const targetOf = (
  group: Permission['group'],
  resource: string,
  verbs: string[],
  ...targets: TargetKind[]
): Permission => ({
  group,
  resources: [resource],
  verbs,
  without: `targets of kind ${targets.join(', ')}`,
  targets,
  side: 'target',
});

/** Whose pods are found by a selector, so by a list. */
const SELECTING: TargetKind[] = [
  'deployment',
  'replicaset',
  'statefulset',
  'daemonset',
  'job',
  'cronjob',
  'service',
  'rollout',
  'label',
];

/** Everything a session asks of the API server. No secrets, no exec, nothing outside one namespace. */
export const PERMISSIONS: Permission[] = [
  {
    group: 'batch',
    resources: ['jobs'],
    verbs: ['create', 'get', 'list', 'watch', 'delete'],
    without: 'required',
    mode: 'job',
  },
  { group: '', resources: ['pods'], verbs: ['get', 'list', 'watch'], without: 'required' },
  { group: '', resources: ['pods/log'], verbs: ['get'], without: 'required' },
  { group: '', resources: ['pods/portforward'], verbs: ['get', 'create'], without: 'required' },
  { ...targetOf('', 'pods', ['get'], 'pod'), apart: 'target' },
  { ...targetOf('', 'pods', ['get', 'list'], ...SELECTING), apart: 'target' },
  {
    group: '',
    resources: ['pods'],
    verbs: ['list', 'watch'],
    without: "moves to another pod before the target's goes away, nor agents at several pods (target.replicas)",
    side: 'target',
    apart: 'following',
  },
  { ...targetOf('batch', 'jobs', ['get', 'list'], 'job', 'cronjob'), apart: 'target' },
  targetOf('apps', 'deployments', ['get', 'list'], 'deployment'),
  targetOf('apps', 'replicasets', ['get', 'list'], 'replicaset'),
  targetOf('apps', 'statefulsets', ['get', 'list'], 'statefulset'),
  targetOf('apps', 'daemonsets', ['get', 'list'], 'daemonset'),
  targetOf('batch', 'cronjobs', ['get', 'list'], 'cronjob'),
  targetOf('', 'services', ['get', 'list'], 'service'),
  targetOf('argoproj.io', 'rollouts', ['get', 'list'], 'rollout'),
  {
    group: '',
    resources: ['events'],
    verbs: ['list'],
    without: 'reasons from events in the messages of failed starts',
  },
  {
    group: '',
    resources: ['pods/ephemeralcontainers'],
    verbs: ['patch'],
    without: 'agents inside the pod of the target (agent.ephemeral)',
    mode: 'ephemeral',
    side: 'target',
  },
];

export type Subject = { kind: 'User'; name: string } | { kind: 'ServiceAccount'; name: string; namespace: string };

/** A Role with every permission and, for a known user, its RoleBinding: YAML for `kubectl apply -f -`. */
export function roleYaml(
  namespace: string,
  subject?: Subject,
  permissions = PERMISSIONS.filter(({ apart }) => !apart),
): string {
  const rules = permissions.map(
    ({ group, resources, verbs }) =>
      `  - apiGroups: ["${group}"]\n    resources: [${resources.join(', ')}]\n    verbs: [${verbs.join(', ')}]`,
  );
  const role = [
    'apiVersion: rbac.authorization.k8s.io/v1',
    'kind: Role',
    `metadata: { name: mirrord, namespace: ${namespace} }`,
    'rules:',
    ...rules,
  ];
  return `${[...role, ...(subject ? bindingLines(namespace, subject) : [])].join('\n')}\n`;
}

function bindingLines(namespace: string, subject: Subject): string[] {
  const fields =
    subject.kind === 'ServiceAccount'
      ? `kind: ServiceAccount, name: ${JSON.stringify(subject.name)}, namespace: ${subject.namespace}`
      : `kind: User, name: ${JSON.stringify(subject.name)}, apiGroup: rbac.authorization.k8s.io`;
  return [
    '---',
    'apiVersion: rbac.authorization.k8s.io/v1',
    'kind: RoleBinding',
    `metadata: { name: mirrord, namespace: ${namespace} }`,
    'roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: mirrord }',
    `subjects: [{ ${fields} }]`,
  ];
}

/** The subject of a user name as the API server prints it in its messages. */
export function subjectOf(user: string): Subject {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user) ?? [];
  return namespace && name ? { kind: 'ServiceAccount', name, namespace } : { kind: 'User', name: user };
}

export function forbiddenHint(user: string | undefined, namespace: string | undefined, verb: string, resource: string) {
  const ask = `Ask whoever administers the cluster for "${verb}" on "${resource}".`;
  if (!namespace) return ask;
  return `${ask} This grants all that a session needs:\n\n${roleYaml(namespace, user ? subjectOf(user) : undefined)}`;
}
