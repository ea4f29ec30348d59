import type { TargetKind } from '../../config/types';
import { isMirrordError } from '../../errors';
import { containerStatus } from '../choose-container';
import type { Meta, Pod } from '../objects';
import { isRunning } from './rank-pods';
import { isAgent, listObjects, type Scope } from './read-objects';
import { RESOURCES } from './resources';

/** Something that can be named as a target. */
export interface ListedTarget {
  /** As it goes into `--target`. */
  path: string;
  kind: TargetKind;
  name: string;
  namespace: string;
  /** Pods that are ready, and pods there should be. */
  ready: number;
  wanted: number;
  /** Containers of the pod, or of the workload's template; empty where that is not known. */
  containers: string[];
}

export interface TargetListing {
  targets: ListedTarget[];
  /** Kinds that could not be listed, with the reason: a right that is missing, most of the time. */
  skipped: { kind: TargetKind; why: string }[];
}

type Kind = Exclude<TargetKind, 'label'>;
const KINDS = Object.keys(RESOURCES) as Kind[];

/**
 * Everything that can be a target and has a pod that is ready. Kinds that may not be listed are named, and are no failure.
 *
 * @throws MirrordError when no kind at all can be listed
 */
export async function listTargets(scope: Scope): Promise<TargetListing> {
  const skipped: TargetListing['skipped'] = [];
  let failure: unknown;
  const lists = await Promise.all(
    KINDS.map(async (kind) => {
      try {
        return (await listObjects<any>(scope, RESOURCES[kind])).map((object) => describe(kind, object));
      } catch (error) {
        const { code, details } = isMirrordError(error) ? error : { code: '', details: undefined };
        // A group that is not installed has no objects; that is no news.
        if (code === 'KUBE_API_ERROR' && details?.status === 404) return [];
        if (code !== 'FORBIDDEN') throw error;
        failure ??= error;
        skipped.push({ kind, why: (error as Error).message });
        return [];
      }
    }),
  );
  if (skipped.length > 0 && lists.every((list) => list.length === 0)) throw failure;
  const targets = lists.flat().filter((target) => target !== undefined && target.ready > 0) as ListedTarget[];
  const order = (a: ListedTarget, b: ListedTarget) =>
    a.namespace.localeCompare(b.namespace) ||
    KINDS.indexOf(a.kind as Kind) - KINDS.indexOf(b.kind as Kind) ||
    a.name.localeCompare(b.name);
  return { targets: targets.sort(order), skipped };
}

interface Workload {
  metadata: Meta;
  spec?: any;
  status?: any;
}

function describe(kind: Kind, object: Workload): ListedTarget | undefined {
  const { metadata, spec = {}, status = {} } = object;
  // What a controller made is reached through that: every ReplicaSet of every Deployment would drown the list.
  const owned = metadata.ownerReferences?.some(({ controller }) => controller) ?? false;
  if (isAgent(object) || metadata.deletionTimestamp || (owned && kind !== 'pod' && kind !== 'job')) return undefined;
  const [ready, wanted] = counts(kind, object);
  const template = kind === 'pod' ? spec : (spec.jobTemplate?.spec.template.spec ?? spec.template?.spec);
  return {
    path: `${kind}/${metadata.name}`,
    kind,
    name: metadata.name,
    namespace: metadata.namespace ?? '',
    ready,
    wanted,
    containers: (template?.containers ?? []).map(({ name }: { name: string }) => name),
  };

  function counts(kind: Kind, { spec = {} }: Workload): [number, number] {
    switch (kind) {
      case 'pod':
        return [isReadyPod(object as Pod) ? 1 : 0, 1];
      case 'daemonset':
        return [status.numberReady ?? 0, status.desiredNumberScheduled ?? 0];
      case 'job':
        return [status.ready ?? status.active ?? 0, spec.parallelism ?? 1];
      case 'cronjob':
        return [status.active?.length ?? 0, status.active?.length ?? 0];
      // Whether its pods are ready is written elsewhere; a selector is what makes it a target.
      case 'service':
        return [spec.selector && Object.keys(spec.selector).length > 0 ? 1 : 0, 1];
      default:
        return [status.readyReplicas ?? 0, spec.replicas ?? 1];
    }
  }
}

function isReadyPod(pod: Pod): boolean {
  return pod.spec.containers.some(({ name }) => isRunning(pod, name) && containerStatus(pod, name)?.ready === true);
}
