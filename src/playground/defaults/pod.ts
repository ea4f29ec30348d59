/** Fills `target[field]` unless it is there. */
export function setDefault(target: any, field: string, value: unknown): void {
  if (target[field] === undefined || target[field] === null) target[field] = value;
}

/** What the API server adds to the spec of a pod and of every pod template. Changes the spec in place. */
export function defaultPodSpec(spec: any): void {
  setDefault(spec, 'restartPolicy', 'Always');
  setDefault(spec, 'terminationGracePeriodSeconds', 30);
  setDefault(spec, 'dnsPolicy', 'ClusterFirst');
  setDefault(spec, 'securityContext', {});
  setDefault(spec, 'schedulerName', 'default-scheduler');
  if (spec.serviceAccountName !== undefined) setDefault(spec, 'serviceAccount', spec.serviceAccountName);
  for (const list of [spec.containers, spec.initContainers, spec.ephemeralContainers]) {
    for (const container of list ?? []) defaultContainer(container);
  }
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
}

/** Admission adds these to a pod that is created, not to templates. */
export function admitPod(pod: any): void {
  const { spec } = pod;
  setDefault(spec, 'serviceAccountName', 'default');
  setDefault(spec, 'serviceAccount', spec.serviceAccountName);
  setDefault(spec, 'enableServiceLinks', true);
  setDefault(spec, 'preemptionPolicy', 'PreemptLowerPriority');
  setDefault(spec, 'priority', 0);
  setDefault(pod, 'status', {});
  setDefault(pod.status, 'phase', 'Pending');
  setDefault(pod.status, 'qosClass', qosClassOf(spec));
  setDefault(spec, 'tolerations', []);
  const { tolerations } = spec;
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const tolerated = tolerations.some(
      (toleration: any) => toleration.key === key || (toleration.key === undefined && toleration.operator === 'Exists'),
    );
    if (!tolerated) tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 });
  }
}

export function defaultContainer(container: any): void {
  setDefault(container, 'resources', {});
  setDefault(container, 'terminationMessagePath', '/dev/termination-log');
  setDefault(container, 'terminationMessagePolicy', 'File');
  setDefault(container, 'imagePullPolicy', isLatest(container.image) ? 'Always' : 'IfNotPresent');
  for (const port of container.ports ?? []) setDefault(port, 'protocol', 'TCP');
  for (const variable of container.env ?? []) {
    if (variable.valueFrom?.fieldRef) setDefault(variable.valueFrom.fieldRef, 'apiVersion', 'v1');
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe) defaultProbe(probe);
  }
}

function isLatest(image: unknown): boolean {
  if (typeof image !== 'string' || image.includes('@')) return false;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag === undefined || tag === 'latest';
}

function defaultProbe(probe: any): void {
  setDefault(probe, 'timeoutSeconds', 1);
  setDefault(probe, 'periodSeconds', 10);
  setDefault(probe, 'successThreshold', 1);
  setDefault(probe, 'failureThreshold', 3);
  if (probe.httpGet) {
    setDefault(probe.httpGet, 'path', '/');
    setDefault(probe.httpGet, 'scheme', 'HTTP');
  }
  if (probe.grpc) setDefault(probe.grpc, 'service', '');
}

function defaultVolume(volume: any): void {
  const kinds = Object.keys(volume).filter((field) => field !== 'name');
  if (kinds.length === 0) volume.emptyDir = {};
  if (volume.hostPath) setDefault(volume.hostPath, 'type', '');
  for (const kind of ['secret', 'configMap', 'downwardAPI', 'projected']) {
    if (volume[kind]) setDefault(volume[kind], 'defaultMode', 0o644);
  }
}

function qosClassOf(spec: any): string {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  const names = ['cpu', 'memory'];
  const has = ({ resources = {} }: any) => names.some((n) => resources.requests?.[n] ?? resources.limits?.[n]);
  const isGuaranteed = ({ resources = {} }: any) =>
    names.every(
      (n) => resources.limits?.[n] && (resources.requests?.[n] ?? resources.limits[n]) === resources.limits[n],
    );
  if (!containers.some(has)) return 'BestEffort';
  return containers.every(isGuaranteed) ? 'Guaranteed' : 'Burstable';
}
