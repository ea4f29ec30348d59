import type { Resource } from '../resources';
import type { KubeObject } from '../types';
import { defaultPodSpec } from './pod';
import { defaultService } from './service';
import {
  defaultCronJob,
  defaultDaemonSet,
  defaultDeployment,
  defaultJob,
  defaultReplicaSet,
  defaultStatefulSet,
} from './workloads';

const DEFAULTERS: Record<string, (object: any, isNew: boolean) => void> = {
  pods: ({ spec }) => spec && defaultPodSpec(spec),
  services: defaultService,
  deployments: defaultDeployment,
  replicasets: defaultReplicaSet,
  statefulsets: defaultStatefulSet,
  daemonsets: defaultDaemonSet,
  jobs: defaultJob,
  cronjobs: defaultCronJob,
  secrets: defaultSecret,
  namespaces: defaultNamespace,
};

/** Fills in what a real API server would, in place. `isNew` is false for updates and patches. */
export function applyDefaults(resource: Resource, object: KubeObject, isNew: boolean): void {
  DEFAULTERS[resource.plural]?.(object, isNew);
}

function defaultSecret(secret: any): void {
  secret.type ||= 'Opaque';
  if (!secret.stringData) return;
  secret.data ??= {};
  for (const [key, value] of Object.entries(secret.stringData)) {
    secret.data[key] = Buffer.from(String(value)).toString('base64');
  }
  delete secret.stringData;
}

function defaultNamespace(namespace: any): void {
  namespace.spec ??= { finalizers: ['kubernetes'] };
  namespace.status ??= { phase: 'Active' };
  namespace.metadata.labels = { ...namespace.metadata.labels, 'kubernetes.io/metadata.name': namespace.metadata.name };
}
