import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import {
  AppsV1Api,
  BatchV1Api,
  CoreV1Api,
  Exec,
  KubeConfig,
  type KubernetesObject,
  KubernetesObjectApi,
  type V1Deployment,
  type V1Job,
  type V1Pod,
  type V1Status,
} from '@kubernetes/client-node';
import { inject } from 'vitest';
import { eventually } from './eventually';

export { eventually };

export const settings = inject('cluster');

const config = new KubeConfig();
config.loadFromFile(settings.kubeconfig);
export const core = config.makeApiClient(CoreV1Api);
export const apps = config.makeApiClient(AppsV1Api);
export const batch = config.makeApiClient(BatchV1Api);
const objects = KubernetesObjectApi.makeApiClient(config);

/** A fresh namespace, so that suites do not see each other; `drop` removes it without waiting. */
export async function createNamespace(prefix: string): Promise<{ name: string; drop(): Promise<void> }> {
  const name = `${prefix}-${randomBytes(4).toString('hex')}`;
  await core.createNamespace({ body: { metadata: { name } } });
  return { name, drop: async () => void (await core.deleteNamespace({ name })) };
}

export async function apply(...manifests: KubernetesObject[]): Promise<void> {
  for (const manifest of manifests) await objects.create(manifest);
}

export async function waitForDeployment(namespace: string, name: string): Promise<V1Pod> {
  await eventually(
    `deployment ${name} to be ready`,
    async () => {
      const { status } = await apps.readNamespacedDeployment({ namespace, name });
      return (status?.readyReplicas ?? 0) > 0;
    },
    60_000,
  );
  return (await podsOf(namespace, name))[0]!;
}

export async function podsOf(namespace: string, app: string): Promise<V1Pod[]> {
  const { items } = await core.listNamespacedPod({ namespace, labelSelector: `app=${app}` });
  return items.filter((pod) => !pod.metadata?.deletionTimestamp);
}

/** Starts a rollout that replaces all pods, as `kubectl rollout restart` does. */
export async function restartDeployment(namespace: string, name: string): Promise<void> {
  await changeDeployment(namespace, name, (found) => {
    const { template } = found.spec!;
    template.metadata = { ...template.metadata, annotations: { restarted: new Date().toISOString() } };
  });
}

export async function scaleDeployment(namespace: string, name: string, replicas: number): Promise<void> {
  await changeDeployment(namespace, name, (found) => {
    found.spec!.replicas = replicas;
  });
}

/** Others write to it too: what was read may be old by the time it is written. */
async function changeDeployment(namespace: string, name: string, change: (found: V1Deployment) => void): Promise<void> {
  await eventually(`deployment ${name} to be changed`, async () => {
    const body = await apps.readNamespacedDeployment({ namespace, name });
    change(body);
    return apps.replaceNamespacedDeployment({ namespace, name, body }).catch((error) => {
      if (error.code === 409) return undefined;
      throw error;
    });
  });
}

/** The Jobs of our agents in that namespace. */
export async function agentJobs(namespace: string): Promise<V1Job[]> {
  const { items } = await batch.listNamespacedJob({
    namespace,
    labelSelector: 'app.kubernetes.io/managed-by=mirrord-node',
  });
  return items;
}

/** Runs a command in the pod's container `app`; rejects when it fails. */
export async function runInPod(namespace: string, pod: string, command: string[]): Promise<string> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  let out = '';
  let err = '';
  stdout.on('data', (chunk) => (out += chunk));
  stderr.on('data', (chunk) => (err += chunk));
  const status = await new Promise<V1Status>((resolve, reject) => {
    new Exec(config).exec(namespace, pod, 'app', command, stdout, stderr, null, false, resolve).catch(reject);
  });
  if (status.status !== 'Success') throw new Error(`${command.join(' ')} in ${pod}: ${status.message}\n${err}`);
  return out;
}

interface AppOptions {
  name: string;
  namespace: string;
  command: string[];
  image?: string;
  port?: number;
  env?: { name: string; value?: string; valueFrom?: object }[];
  envFrom?: object[];
  /** Volumes by mount path; with `subPath`, that one file of it. */
  volumes?: Record<string, { subPath?: string; configMap?: object; secret?: object; emptyDir?: object }>;
  securityContext?: object;
  /** More fields of the pod's spec. */
  spec?: object;
}

/** A Deployment of one container named `app`, ready when its port accepts. */
export function deployment(options: AppOptions): KubernetesObject {
  const { name, namespace, port } = options;
  const volumes = Object.entries(options.volumes ?? {}).map(([mountPath, { subPath, ...volume }], index) => ({
    mountPath,
    subPath,
    volume,
    name: `v${index}`,
  }));
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 1,
          ...options.spec,
          containers: [
            {
              name: 'app',
              image: options.image ?? settings.nodeImage,
              command: options.command,
              env: options.env,
              envFrom: options.envFrom,
              securityContext: options.securityContext,
              ...(port && {
                ports: [{ containerPort: port }],
                readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
              }),
              volumeMounts: volumes.map(({ name: volume, mountPath, subPath }) => ({
                name: volume,
                mountPath,
                subPath,
              })),
            },
          ],
          volumes: volumes.map(({ name: volume, volume: source }) => ({ name: volume, ...source })),
        },
      },
    },
  } as KubernetesObject;
}

export function service(namespace: string, name: string, ports: number[]): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: ports.map((port) => ({ name: `p${port}`, port, targetPort: port })) },
  } as KubernetesObject;
}

export function configMap(namespace: string, name: string, data: Record<string, string>): KubernetesObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data } as KubernetesObject;
}
