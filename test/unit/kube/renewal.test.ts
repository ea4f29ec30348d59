import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Cluster, openCluster } from '../../../src/kube/cluster';
import { createDial } from '../../../src/kube/dial-agent';
import { request } from '../../../src/kube/request';
import { watchObjects } from '../../../src/kube/watch';
import { createCertificate } from '../../support/certificate';
import { ScriptedApi, startWatch, status } from '../../support/scripted-api';

let api: ScriptedApi;
let cleanups: (() => void)[];
beforeEach(async () => {
  api = await ScriptedApi.start();
  cleanups = [];
});
afterEach(async () => {
  vi.useRealTimers();
  for (const cleanup of cleanups) cleanup();
  await api.stop();
});

async function open(user: object): Promise<Cluster> {
  const kubeconfig = api.writeKubeconfig({ user });
  const cluster = await openCluster({ kubeconfig, context: undefined, acceptInvalidCertificates: false }, {});
  cleanups.push(() => cluster.close());
  return cluster;
}
const get = (cluster: Cluster) =>
  request(cluster, { path: '/api/v1/x', operation: { verb: 'get', resource: 'x', namespace: 'default' } });

describe('a token file', () => {
  let path: string;
  beforeEach(() => {
    path = join(api.folder, 'token');
    writeFileSync(path, 'one\n');
    vi.useFakeTimers({ toFake: ['Date'] });
    api.on('GET /api/v1/x', ({ headers }) => ({ authorization: headers.authorization }));
  });
  const later = (ms: number) => vi.setSystemTime(Date.now() + ms);

  it('is read again after a minute, and not for each request', async () => {
    const cluster = await open({ tokenFile: path });
    writeFileSync(path, 'two\n');
    expect((await get(cluster)).body.authorization).toBe('Bearer one');
    later(61_000);
    expect((await get(cluster)).body.authorization).toBe('Bearer two');
  });

  it('that is gone for a while costs nothing as long as the old token is good', async () => {
    const cluster = await open({ tokenFile: path });
    rmSync(path);
    later(61_000);
    expect((await get(cluster)).body.authorization).toBe('Bearer one');
  });
});

describe('a 401', () => {
  it('in a watch is answered with fresh credentials, and the watch goes on', async () => {
    const path = join(api.folder, 'token');
    writeFileSync(path, 'old');
    api.on('GET /api/v1/pods', ({ query, headers }, response) => {
      if (headers.authorization !== 'Bearer new') return status(response, 401, 'Unauthorized', 'Unauthorized');
      if (!query.get('watch')) return { items: [] };
      startWatch(response)('ADDED', { metadata: { uid: 'u' } });
      return undefined;
    });
    const cluster = await open({ tokenFile: path });
    writeFileSync(path, 'new');
    const stop = new AbortController();
    cleanups.push(() => stop.abort());
    const seen = await new Promise((resolve, reject) => {
      const options = { path: '/api/v1/pods', query: {}, resource: 'pods', namespace: 'default', signal: stop.signal };
      watchObjects(cluster, { ...options, onChange: resolve }).catch(reject);
    });
    expect(seen).toEqual([{ metadata: { uid: 'u' } }]);
    expect(api.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer new']);
  });

  it('that stays is an error after one renewal, in a watch too', async () => {
    api.on('GET /api/v1/x', (_, response) => status(response, 401, 'Unauthorized', 'Unauthorized'));
    const cluster = await open({ token: 'old' });
    await expect(get(cluster)).rejects.toMatchObject({ code: 'CLUSTER_UNAUTHORIZED' });
    const { signal } = new AbortController();
    const options = { path: '/api/v1/x', query: {}, resource: 'x', namespace: 'default', signal, onChange: () => {} };
    await expect(watchObjects(cluster, options)).rejects.toMatchObject({ code: 'CLUSTER_UNAUTHORIZED' });
    expect(api.requests).toHaveLength(4);
  });

  it('brings in a plug-in’s next certificate, also where a connection is kept that has shown the last one', async () => {
    const counter = join(api.folder, 'runs');
    for (const name of ['first', 'second']) {
      const { cert, key } = await createCertificate([name]);
      const status = { clientCertificateData: cert, clientKeyData: key };
      const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status };
      writeFileSync(join(api.folder, name), JSON.stringify(credential));
    }
    const script = `const fs = require('fs'), path = require('path');
      const seen = fs.existsSync(${JSON.stringify(counter)});
      fs.writeFileSync(${JSON.stringify(counter)}, '');
      process.stdout.write(fs.readFileSync(path.join(${JSON.stringify(api.folder)}, seen ? 'second' : 'first')));`;
    const apiVersion = 'client.authentication.k8s.io/v1';
    const exec = { apiVersion, command: process.execPath, args: ['-e', script], interactiveMode: 'Never' };
    api.on('GET /api/v1/x', ({ certificate }, response) =>
      certificate === 'second' || api.requests.length === 1
        ? { certificate }
        : status(response, 401, 'Unauthorized', 'Unauthorized'),
    );
    const cluster = await open({ exec });
    expect((await get(cluster)).body.certificate).toBe('first');
    expect((await get(cluster)).body.certificate).toBe('second');
  });
});

it('inside a pod the service account is used: its authority, namespace and token, which the kubelet renews', async () => {
  const folder = join(api.folder, 'account');
  mkdirSync(folder);
  writeFileSync(join(folder, 'token'), 'first');
  writeFileSync(join(folder, 'namespace'), 'team\n');
  writeFileSync(join(folder, 'ca.crt'), api.ca);
  api.on('GET /api/v1/x', ({ headers }, response) =>
    headers.authorization === 'Bearer second' ? { ok: true } : status(response, 401, 'Unauthorized', 'Unauthorized'),
  );
  const env = { HOME: api.folder, KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(api.port) };
  const access = { kubeconfig: undefined, context: undefined, acceptInvalidCertificates: false };
  const cluster = await openCluster(access, env, folder);
  cleanups.push(() => cluster.close());
  expect(cluster).toMatchObject({ contextName: 'in-cluster', namespace: 'team' });
  writeFileSync(join(folder, 'token'), 'second');
  expect((await get(cluster)).body).toEqual({ ok: true });
  const transport = await createDial(async () => cluster, { namespace: 'team', pod: 'agent', port: 30_000 })();
  cleanups.push(() => transport.destroy());
  transport.on('error', () => {});
  transport.write('hello');
  expect(String((await once(transport, 'data'))[0])).toBe('hello');
  expect(api.requests.at(-1)!.headers.authorization).toBe('Bearer second');
});
