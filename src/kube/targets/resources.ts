import type { TargetKind } from '../../config/types';

export interface Resource {
  /** Of URLs and RBAC rules. */
  plural: string;
  /** Path of the API group and version. */
  api: string;
  /** As its own objects name it, for messages. */
  kind: string;
}

export const PODS: Resource = { plural: 'pods', api: '/api/v1', kind: 'Pod' };

/** Where each kind of target is found. Labels have no object of their own. */
export const RESOURCES: Record<Exclude<TargetKind, 'label'>, Resource> = {
  pod: PODS,
  deployment: { plural: 'deployments', api: '/apis/apps/v1', kind: 'Deployment' },
  replicaset: { plural: 'replicasets', api: '/apis/apps/v1', kind: 'ReplicaSet' },
  statefulset: { plural: 'statefulsets', api: '/apis/apps/v1', kind: 'StatefulSet' },
  daemonset: { plural: 'daemonsets', api: '/apis/apps/v1', kind: 'DaemonSet' },
  job: { plural: 'jobs', api: '/apis/batch/v1', kind: 'Job' },
  cronjob: { plural: 'cronjobs', api: '/apis/batch/v1', kind: 'CronJob' },
  service: { plural: 'services', api: '/api/v1', kind: 'Service' },
  rollout: { plural: 'rollouts', api: '/apis/argoproj.io/v1alpha1', kind: 'Rollout' },
};
