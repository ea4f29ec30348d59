import { readFileSync } from 'node:fs';
import { apply, configMap, createNamespace, deployment, service, waitForDeployment } from '../support/cluster';
import { clusterEnv } from '../support/spawn-app';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');

export const fixturePath = (name: string) => new URL(`./fixtures/${name}`, import.meta.url).pathname;

/** A target pod with environment, files and servers, and a helper it can call: what most suites need. */
export interface World {
  namespace: string;
  /** Name of the target's pod. */
  pod: string;
  podIP: string;
  helperIP: string;
  /** Variables that point a process at the target `deployment/target`. */
  env: Record<string, string | undefined>;
  drop(): Promise<void>;
}

export async function createWorld(prefix: string): Promise<World> {
  const { name: namespace, drop } = await createNamespace(prefix);
  await apply(
    configMap(namespace, 'code', {
      'target-server.cjs': fixture('target-server.cjs'),
      'facts.cjs': fixture('facts.cjs'),
      'facts.mjs': fixture('facts.mjs'),
      'facts-library.cjs': fixture('facts-library.cjs'),
    }),
    configMap(namespace, 'files', { 'data.txt': 'data of the pod: ✔\n', 'other.txt': 'x' }),
    configMap(namespace, 'variables', { FROM_CONFIG: 'from a ConfigMap' }),
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'secret', namespace },
      stringData: { FROM_SECRET: 'from a Secret' },
    } as never,
    service(namespace, 'helper', [8080, 8081]),
    deployment({
      name: 'helper',
      namespace,
      command: ['node', '/app/target-server.cjs'],
      port: 8080,
      env: [{ name: 'BASE', value: '8080' }],
      volumes: { '/app': { configMap: { name: 'code' } } },
    }),
    deployment({
      name: 'target',
      namespace,
      command: ['node', '/app/target-server.cjs'],
      port: 8090,
      env: [
        { name: 'BASE', value: '8090' },
        { name: 'NAMESPACE', value: namespace },
        { name: 'FROM_VALUE', value: 'from the manifest' },
        { name: 'UNICODE', value: 'žluťoučký kůň 🐎' },
        { name: 'NODE_OPTIONS', value: '--no-warnings' },
        { name: 'FROM_SECRET', valueFrom: { secretKeyRef: { name: 'secret', key: 'FROM_SECRET' } } },
      ],
      envFrom: [{ configMapRef: { name: 'variables' } }],
      volumes: { '/app': { configMap: { name: 'code' } }, '/etc/target': { configMap: { name: 'files' } } },
    }),
  );
  const [helper, target] = await Promise.all([
    waitForDeployment(namespace, 'helper'),
    waitForDeployment(namespace, 'target'),
  ]);
  return {
    namespace,
    pod: target.metadata!.name!,
    podIP: target.status!.podIP!,
    helperIP: helper.status!.podIP!,
    env: clusterEnv('deployment/target', namespace),
    drop,
  };
}
