import type { NamedTarget } from '../../config/types';
import { MirrordError } from '../../errors';
import type { Pod } from '../objects';
import { type LabelSelector, labelSelector } from '../selector';
import { latestJob } from './latest-job';
import { getObject, type Scope } from './read-objects';
import { RESOURCES } from './resources';

/** Which pods a target stands for, in the form a list or watch of pods asks for them. */
export interface PodQuery {
  query: Record<string, string>;
  /** Why there may be none, with what to do. */
  whenEmpty: { message: string; hint: string };
  /** The pods, where finding out has told them already. */
  pods?: Pod[];
  /** Said before the reason for the pod, such as the Job that was chosen. */
  via?: string;
}

/**
 * Reads the target's object and gives the query for its pods.
 *
 * @throws MirrordError TARGET_NOT_FOUND, TARGET_NOT_READY, TARGET_KIND_UNSUPPORTED, and what the API server answers
 */
export async function podsOf(scope: Scope, target: NamedTarget): Promise<PodQuery> {
  const { kind, name } = target;
  switch (kind) {
    case 'pod':
      return byName(scope, name);
    case 'label':
      return bySelector(scope, `label/${name}`, name, `kubectl -n ${scope.namespace} get pods -l ${name}`);
    case 'service':
      return ofService(scope, name);
    case 'cronjob': {
      const job = await latestJob(scope, name);
      return { ...ofWorkload(scope, 'job', job.metadata.name, job.spec), via: `its latest job ${job.metadata.name}` };
    }
    case 'rollout':
      return ofRollout(scope, name);
    default:
      return ofWorkload(scope, kind, name, (await getObject<Workload>(scope, RESOURCES[kind], name)).spec);
  }
}

async function byName(scope: Scope, name: string): Promise<PodQuery> {
  // A list by name would not tell a pod that is not there from one that may not be seen.
  const pod = await getObject<Pod>(scope, RESOURCES.pod, name);
  return {
    pods: [pod],
    query: { fieldSelector: `metadata.name=${name}` },
    whenEmpty: { message: `Pod "${name}" in namespace "${scope.namespace}" has gone.`, hint: 'Choose another target.' },
  };
}

function bySelector({ namespace }: Scope, what: string, selector: string, look: string): PodQuery {
  return {
    query: { labelSelector: selector },
    whenEmpty: { message: `${what} in namespace "${namespace}" has no pods.`, hint: `See why: ${look}` },
  };
}

interface Workload {
  spec: { selector: LabelSelector; replicas?: number };
}

function ofWorkload(
  scope: Scope,
  kind: Exclude<NamedTarget['kind'], 'label'>,
  name: string,
  { selector, replicas }: Workload['spec'],
): PodQuery {
  const what = `${RESOURCES[kind].kind} "${name}"`;
  const found = bySelector(
    scope,
    what,
    labelSelector(selector),
    `kubectl -n ${scope.namespace} describe ${kind} ${name}`,
  );
  if (replicas !== 0) return found;
  return {
    ...found,
    whenEmpty: {
      message: `${what} in namespace "${scope.namespace}" has no pods: it is scaled to 0.`,
      hint: `Scale it up: kubectl -n ${scope.namespace} scale ${kind}/${name} --replicas=1`,
    },
  };
}

async function ofService(scope: Scope, name: string): Promise<PodQuery> {
  const service = await getObject<any>(scope, RESOURCES.service, name);
  const selector = labelSelector({ matchLabels: service.spec?.selector ?? {} });
  if (selector !== '') {
    return bySelector(scope, `Service "${name}"`, selector, `kubectl -n ${scope.namespace} describe service ${name}`);
  }
  const why = service.spec?.type === 'ExternalName' ? 'it stands for a name outside the cluster' : 'it has no selector';
  throw new MirrordError('TARGET_NOT_READY', `Service "${name}" selects no pods: ${why}.`, {
    hint: 'Choose the pod or workload behind it. What there is: mirrord ls',
  });
}

const REFERENCED = ['deployment', 'replicaset', 'statefulset', 'daemonset'] as const;

/** A rollout selects pods itself, or lends the template and the selector of another workload. */
async function ofRollout(scope: Scope, name: string): Promise<PodQuery> {
  const rollout = await getObject<any>(scope, RESOURCES.rollout, name);
  if (rollout.spec?.selector) return ofWorkload(scope, 'rollout', name, rollout.spec);
  const reference = rollout.spec?.workloadRef ?? {};
  const kind = REFERENCED.find((known) => RESOURCES[known].kind === reference.kind);
  if (!kind) {
    throw new MirrordError(
      'TARGET_KIND_UNSUPPORTED',
      `Rollout "${name}" refers to ${reference.kind ? `a ${reference.kind}` : 'no workload'} and has no selector.`,
      { hint: 'Name one of its pods: pod/NAME, or its labels: label/KEY=VALUE.' },
    );
  }
  const workload = await getObject<Workload>(scope, RESOURCES[kind], reference.name);
  // The workload itself is scaled to 0; its pods are the rollout's, with the labels of its template.
  const { replicas } = rollout.spec;
  return ofWorkload(scope, 'rollout', name, { selector: workload.spec.selector, replicas });
}
