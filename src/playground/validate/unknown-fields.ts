import type { Resource } from '../resources';

const OBJECT = ['apiVersion', 'kind', 'metadata'];
const METADATA = new Set(
  (
    'name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp ' +
    'deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields'
  ).split(' '),
);
const POD_SPEC = new Set(
  (
    'volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds ' +
    'activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount automountServiceAccountToken nodeName ' +
    'hostNetwork hostPID hostIPC shareProcessNamespace securityContext imagePullSecrets hostname subdomain affinity ' +
    'schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates runtimeClassName ' +
    'enableServiceLinks preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os hostUsers ' +
    'schedulingGates resourceClaims resources hostnameOverride'
  ).split(' '),
);
const CONTAINER = new Set(
  (
    'name image command args workingDir ports envFrom env resources resizePolicy restartPolicy restartPolicyRules ' +
    'volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath ' +
    'terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty targetContainerName'
  ).split(' '),
);
const JOB_SPEC = new Set(
  (
    'parallelism completions activeDeadlineSeconds podFailurePolicy successPolicy backoffLimit backoffLimitPerIndex ' +
    'maxFailedIndexes selector manualSelector template ttlSecondsAfterFinished completionMode suspend ' +
    'podReplacementPolicy managedBy'
  ).split(' '),
);
const DEPLOYMENT_SPEC = new Set(
  'replicas selector template strategy minReadySeconds revisionHistoryLimit paused progressDeadlineSeconds'.split(' '),
);

const TOP_LEVEL: Record<string, string[]> = {
  configmaps: ['data', 'binaryData', 'immutable'],
  secrets: ['data', 'stringData', 'type', 'immutable'],
  pods: ['spec', 'status'],
  jobs: ['spec', 'status'],
  deployments: ['spec', 'status'],
  services: ['spec', 'status'],
};

/**
 * Takes away the fields that the kind does not have, as storing does on a real server, and names their paths. Only kinds
 * and levels that are known here are looked at.
 */
export function takeUnknownFields({ plural }: Resource, object: any): string[] {
  const top = TOP_LEVEL[plural];
  if (!top) return [];
  const unknown = strange(object, new Set([...OBJECT, ...top]), '');
  unknown.push(...strange(object.metadata, METADATA, 'metadata.'));
  if (plural === 'pods') unknown.push(...podSpec(object.spec, 'spec.'));
  if (plural === 'jobs') unknown.push(...strange(object.spec, JOB_SPEC, 'spec.'));
  if (plural === 'deployments') unknown.push(...strange(object.spec, DEPLOYMENT_SPEC, 'spec.'));
  if (plural === 'jobs' || plural === 'deployments')
    unknown.push(...podSpec(object.spec?.template?.spec, 'spec.template.spec.'));
  return unknown;
}

function podSpec(spec: any, path: string): string[] {
  const unknown = strange(spec, POD_SPEC, path);
  for (const list of ['containers', 'initContainers', 'ephemeralContainers']) {
    if (!Array.isArray(spec?.[list])) continue;
    for (const [index, container] of spec[list].entries()) {
      unknown.push(...strange(container, CONTAINER, `${path}${list}[${index}].`));
    }
  }
  return unknown;
}

function strange(object: unknown, known: Set<string>, path: string): string[] {
  if (object === null || typeof object !== 'object') return [];
  const unknown = Object.keys(object).filter((field) => !known.has(field));
  for (const field of unknown) delete (object as Record<string, unknown>)[field];
  return unknown.map((field) => path + field);
}
