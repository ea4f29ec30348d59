import { defaultPodSpec, setDefault } from './pod';

function defaultTemplate(template: any): void {
  template.metadata ??= {};
  if (template.spec) defaultPodSpec(template.spec);
}

export function defaultDeployment({ spec }: any): void {
  if (!spec) return;
  setDefault(spec, 'replicas', 1);
  setDefault(spec, 'revisionHistoryLimit', 10);
  setDefault(spec, 'progressDeadlineSeconds', 600);
  setDefault(spec, 'strategy', {});
  setDefault(spec.strategy, 'type', 'RollingUpdate');
  if (spec.strategy.type === 'RollingUpdate') {
    setDefault(spec.strategy, 'rollingUpdate', {});
    setDefault(spec.strategy.rollingUpdate, 'maxSurge', '25%');
    setDefault(spec.strategy.rollingUpdate, 'maxUnavailable', '25%');
  }
  defaultTemplate(spec.template ?? {});
}

export function defaultReplicaSet({ spec }: any): void {
  if (!spec) return;
  setDefault(spec, 'replicas', 1);
  defaultTemplate(spec.template ?? {});
}

export function defaultStatefulSet({ spec }: any): void {
  if (!spec) return;
  setDefault(spec, 'replicas', 1);
  setDefault(spec, 'revisionHistoryLimit', 10);
  setDefault(spec, 'podManagementPolicy', 'OrderedReady');
  setDefault(spec, 'persistentVolumeClaimRetentionPolicy', { whenDeleted: 'Retain', whenScaled: 'Retain' });
  setDefault(spec, 'updateStrategy', { type: 'RollingUpdate', rollingUpdate: { partition: 0 } });
  defaultTemplate(spec.template ?? {});
}

export function defaultDaemonSet({ spec }: any): void {
  if (!spec) return;
  setDefault(spec, 'revisionHistoryLimit', 10);
  setDefault(spec, 'updateStrategy', { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } });
  defaultTemplate(spec.template ?? {});
}

/** The selector and the labels of a Job come from its uid, which is why they are set when it is created. */
export function defaultJob({ metadata, spec, status }: any, isNew: boolean): void {
  if (!spec) return;
  setDefault(spec, 'completionMode', 'NonIndexed');
  setDefault(spec, 'backoffLimit', 6);
  setDefault(spec, 'suspend', false);
  setDefault(spec, 'manualSelector', false);
  setDefault(spec, 'podReplacementPolicy', 'TerminatingOrFailed');
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  setDefault(spec, 'parallelism', 1);
  defaultTemplate(spec.template ?? {});
  if (!isNew || !spec.template || status?.startTime) return;
  setDefault(spec.template.metadata, 'labels', {});
  const { labels } = spec.template.metadata;
  if (spec.manualSelector) return;
  labels['batch.kubernetes.io/controller-uid'] = metadata.uid;
  labels['batch.kubernetes.io/job-name'] = metadata.name;
  labels['controller-uid'] = metadata.uid;
  labels['job-name'] = metadata.name;
  spec.selector = { matchLabels: { 'batch.kubernetes.io/controller-uid': metadata.uid } };
}

export function defaultCronJob({ spec }: any): void {
  if (!spec) return;
  setDefault(spec, 'concurrencyPolicy', 'Allow');
  setDefault(spec, 'suspend', false);
  setDefault(spec, 'successfulJobsHistoryLimit', 3);
  setDefault(spec, 'failedJobsHistoryLimit', 1);
  defaultTemplate(spec.jobTemplate?.spec?.template ?? {});
}
