import { afterEach, beforeEach } from 'vitest';
import { type Cluster, openCluster } from '../../../src/kube/cluster';
import { request } from '../../../src/kube/request';
import { ScriptedApi } from '../../support/scripted-api';

// A scripted API server, a new one for each test of a file that imports this, and requests to it.
export let api: ScriptedApi;
let cleanups: (() => void)[] = [];

/** Is run when the test is over. */
export const atEnd = (cleanup: () => void) => void cleanups.push(cleanup);

beforeEach(async () => {
  api = await ScriptedApi.start();
  api.on('GET /api/v1/x', ({ headers }) => ({
    authorization: headers.authorization ?? null,
    user: headers['impersonate-user'],
  }));
  cleanups = [];
});
afterEach(async () => {
  for (const cleanup of cleanups) cleanup();
  await api.stop();
});

export async function open(kubeconfig = api.kubeconfig, env: NodeJS.ProcessEnv = {}, more = {}): Promise<Cluster> {
  const cluster = await openCluster({ kubeconfig, context: undefined, acceptInvalidCertificates: false, ...more }, env);
  cleanups.push(() => cluster.close());
  return cluster;
}

export const get = (cluster: Cluster, more = {}) =>
  request(cluster, { path: '/api/v1/x', operation: { verb: 'get', resource: 'x', namespace: 'default' }, ...more });

export async function failure(run: () => Promise<unknown>): Promise<any> {
  return run().then(
    () => Promise.reject(new Error('nothing was thrown')),
    (error) => error,
  );
}
