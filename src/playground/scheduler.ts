import { NODE_NAME } from './addresses';
import { type Capacity, parseQuantity } from './field-ref';
import { timestamp } from './freeze';
import type { KubeObject, Store } from './types';

const AFTERMATH =
  'no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.';

/** Binds a pod to the one node, or says in the words of the real scheduler why it cannot. */
export function schedulePod(store: Store, pod: KubeObject, capacity: Capacity): void {
  const { name, namespace } = pod.metadata;
  const node = store.get('nodes', undefined, NODE_NAME);
  const problem = reasonAgainst(pod, node, capacity);
  const message = `0/1 nodes are available: ${problem}. ${AFTERMATH}`;
  if (problem) {
    const old = pod.status?.conditions?.find((one: any) => one.type === 'PodScheduled');
    if (old?.message === message) return;
  }
  const lastTransitionTime = timestamp();
  store.mutate('pods', namespace, name, (target) => {
    const base = { type: 'PodScheduled', lastProbeTime: null, lastTransitionTime };
    const condition = problem
      ? { ...base, status: 'False', reason: 'Unschedulable', message }
      : { ...base, status: 'True' };
    target.status = { phase: 'Pending', ...target.status, conditions: [condition] };
    if (!problem) target.spec.nodeName = NODE_NAME;
  });
  if (problem)
    store.recordEvent(pod, { type: 'Warning', reason: 'FailedScheduling', message, component: 'default-scheduler' });
  else {
    const assigned = `Successfully assigned ${namespace}/${name} to ${NODE_NAME}`;
    store.recordEvent(pod, { type: 'Normal', reason: 'Scheduled', message: assigned, component: 'default-scheduler' });
  }
}

function reasonAgainst(pod: KubeObject, node: KubeObject | undefined, capacity: Capacity): string | undefined {
  if (!node) return 'no nodes available to schedule pods';
  const labels = node.metadata.labels ?? {};
  const selector: Record<string, string> = pod.spec.nodeSelector ?? {};
  const terms: any[] | undefined =
    pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const selected = Object.entries(selector).every(([key, value]) => labels[key] === value);
  const affine = !terms || terms.some((term) => matches(term, labels));
  if (!selected || !affine) return "1 node(s) didn't match Pod's node affinity/selector";
  for (const resource of ['cpu', 'memory'] as const) {
    const asked = pod.spec.containers.reduce(
      (sum: number, one: any) => sum + (parseQuantity(one.resources?.requests?.[resource] ?? '0') || 0),
      0,
    );
    if (asked > capacity[resource]) return `1 Insufficient ${resource}`;
  }
  return undefined;
}

function matches(term: any, labels: Record<string, string>): boolean {
  const names: Record<string, string> = { 'metadata.name': NODE_NAME };
  return (
    (term.matchExpressions ?? []).every((one: any) => matchesExpression(one, labels)) &&
    (term.matchFields ?? []).every((one: any) => matchesExpression(one, names))
  );
}

function matchesExpression({ key, operator, values = [] }: any, labels: Record<string, string>): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return false;
  }
}
