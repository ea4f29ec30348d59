// The few things the demo asks of a cluster, over the client library that everybody uses.
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { AppsV1Api, CoreV1Api, Exec, KubeConfig, KubernetesObjectApi } from '@kubernetes/client-node';

/** @param {string} kubeconfigFile */
export function openCluster(kubeconfigFile) {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigFile);
  const objects = KubernetesObjectApi.makeApiClient(config);
  const core = config.makeApiClient(CoreV1Api);
  const apps = config.makeApiClient(AppsV1Api);

  return { apply, waitForDeployment, podOf, run };

  async function apply(manifests) {
    for (const manifest of manifests) {
      try {
        await objects.create(manifest);
      } catch (error) {
        if (error.code !== 409) throw error;
        await objects.patch(manifest, undefined, undefined, 'demo', true, 'application/apply-patch+yaml');
      }
    }
  }

  async function waitForDeployment(namespace, name, limitMs = 20_000) {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const { status } = await apps.readNamespacedDeployment({ namespace, name });
      if (status?.readyReplicas) return;
      if (Date.now() > deadline) throw new Error(`deployment ${name} was not ready within ${limitMs / 1000} s`);
      await delay(50);
    }
  }

  async function podOf(namespace, app) {
    const { items } = await core.listNamespacedPod({ namespace, labelSelector: `app=${app}` });
    const ready = items.find((pod) => !pod.metadata.deletionTimestamp && pod.status?.phase === 'Running');
    if (!ready) throw new Error(`no running pod of ${app}`);
    return ready;
  }

  /** Runs a command in a pod's first container and gives its standard output. */
  async function run(namespace, pod, command) {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const texts = { out: '', err: '' };
    stdout.on('data', (chunk) => {
      texts.out += chunk;
    });
    stderr.on('data', (chunk) => {
      texts.err += chunk;
    });
    const status = await new Promise((resolve, reject) => {
      new Exec(config).exec(namespace, pod, 'app', command, stdout, stderr, null, false, resolve).catch(reject);
    });
    if (status.status !== 'Success') throw new Error(`${command[0]} in ${pod}: ${status.message}\n${texts.err}`);
    return texts.out;
  }
}
