import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Cluster, openCluster } from '../../../src/kube/cluster';
import { createDial } from '../../../src/kube/dial-agent';
import { request } from '../../../src/kube/request';
import { createCertificate } from '../../support/certificate';
import { cli, runProcess } from '../../support/run-process';
import { ScriptedApi, status } from '../../support/scripted-api';
import { startSocks as startSocksProxy } from '../../support/socks-proxy';

let api: ScriptedApi;
let cleanups: (() => void)[] = [];
beforeEach(async () => {
  api = await ScriptedApi.start();
  api.on('GET /api/v1/x', () => ({ ok: true }));
  cleanups = [];
});
afterEach(async () => {
  for (const cleanup of cleanups) cleanup();
  await api.stop();
});

async function open(kubeconfig = api.kubeconfig, env: NodeJS.ProcessEnv = {}): Promise<Cluster> {
  const cluster = await openCluster({ kubeconfig, context: undefined, acceptInvalidCertificates: false }, env);
  cleanups.push(() => cluster.close());
  return cluster;
}
const get = (cluster: Cluster) =>
  request(cluster, { path: '/api/v1/x', operation: { verb: 'get', resource: 'x', namespace: 'default' } });

async function forward(cluster: Cluster): Promise<string> {
  const transport = await createDial(async () => cluster, { namespace: 'default', pod: 'agent', port: 30_000 })();
  transport.on('error', () => {});
  cleanups.push(() => transport.destroy());
  transport.write('hello');
  return String((await once(transport, 'data'))[0]);
}

async function startSocks(login?: { user: string; password: string }, refusal = 0) {
  const proxy = await startSocksProxy(() => api.port, login, refusal);
  cleanups.push(proxy.stop);
  return proxy;
}

describe('a SOCKS5 proxy', () => {
  const named = (proxy: string | undefined) =>
    api.writeKubeconfig({ server: 'https://api.example.test:6443', cluster: proxy ? { 'proxy-url': proxy } : {} });

  it('of proxy-url carries requests and port-forwards, and resolves the name itself', async () => {
    const { asked, address } = await startSocks();
    const cluster = await open(named(`socks5://${address}`));
    expect((await get(cluster)).body).toEqual({ ok: true });
    expect(await forward(cluster)).toBe('hello');
    expect(new Set(asked)).toEqual(new Set(['api.example.test:6443']));
  });

  it('of HTTPS_PROXY is used unless NO_PROXY names the server', async () => {
    const { asked, address } = await startSocks();
    await get(await open(named(undefined), { HTTPS_PROXY: `socks5h://${address}` }));
    expect(asked).toHaveLength(1);
    await expect(
      open(named(undefined), { HTTPS_PROXY: `socks5h://${address}`, NO_PROXY: 'example.test' }),
    ).rejects.toMatchObject({ code: 'CLUSTER_UNREACHABLE' });
  });

  it('is told the login of the URL', async () => {
    const { address } = await startSocks({ user: 'me', password: 'p@ss' });
    expect((await get(await open(named(`socks5://me:p%40ss@${address}`)))).statusCode).toBe(200);
    for (const wrong of [`socks5://me:no@${address}`, `socks5://${address}`]) {
      const error = await get(await open(named(wrong))).catch((reason) => reason);
      expect(error.code).toBe('KUBE_PROXY_REFUSED');
      expect(error.message).not.toContain('p@ss');
    }
  });

  it('says why it refuses', async () => {
    const { address } = await startSocks(undefined, 2);
    const error = await get(await open(named(`socks5://${address}`))).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'KUBE_PROXY_REFUSED', message: expect.stringContaining('rules do not allow') });
  });
});

it('impersonates a user with groups and extra fields, in requests and in port-forwards', async () => {
  const user = {
    token: 't',
    as: 'alice',
    'as-uid': '42',
    'as-groups': ['dev', 'ops'],
    'as-user-extra': { 'example.com/Team': ['a'] },
  };
  const cluster = await open(api.writeKubeconfig({ user }));
  await get(cluster);
  await forward(cluster);
  for (const { headers } of api.requests) {
    expect(headers).toMatchObject({
      'impersonate-user': 'alice',
      'impersonate-uid': '42',
      'impersonate-group': 'dev, ops',
    });
    expect(headers['impersonate-extra-example.com%2fteam']).toBe('a');
  }
  expect(api.requests.map(({ method }) => method)).toEqual(['GET', 'UPGRADE']);
});

it('runs a plug-in once when several requests learn at once that a token has expired', async () => {
  const counter = join(api.folder, 'runs');
  const script = `const fs = require('fs'); fs.appendFileSync(${JSON.stringify(counter)}, 'x');
    const token = 'token-' + fs.readFileSync(${JSON.stringify(counter)}).length;
    console.log(JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token } }));`;
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: process.execPath,
    args: ['-e', script],
    interactiveMode: 'Never',
  };
  api.on('GET /api/v1/x', ({ headers }, response) =>
    headers.authorization === 'Bearer token-2' ? { ok: true } : status(response, 401, 'Unauthorized', 'Unauthorized'),
  );
  const cluster = await open(api.writeKubeconfig({ user: { exec } }));
  const answers = await Promise.all([get(cluster), get(cluster), get(cluster)]);
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
  expect(readFileSync(counter, 'utf8')).toBe('xx');
});

it('dials once more with fresh credentials when a port-forward is answered with 401', async () => {
  const tokenFile = join(api.folder, 'token');
  writeFileSync(tokenFile, 'old');
  api.onUpgrade = ({ headers }, socket) => {
    if (headers.authorization === 'Bearer new') return false;
    socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n');
    return true;
  };
  const cluster = await open(api.writeKubeconfig({ user: { tokenFile } }));
  writeFileSync(tokenFile, 'new');
  expect(await forward(cluster)).toBe('hello');
});

it('reaches the server through a proxy over TLS, whose certificate is checked with the authorities that Node knows', async () => {
  const { cert, key, ca } = await createCertificate(['127.0.0.1']);
  const asked: string[] = [];
  const proxy = createServer({ cert, key });
  proxy.on('connect', (request, socket) => {
    asked.push(`${request.url} ${request.headers['proxy-authorization']}`);
    const upstream = connect(api.port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => proxy.close());
  const server = 'https://api.example.test:6443';
  const url = `https://me:pw@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const kubeconfig = api.writeKubeconfig({ server, cluster: { 'proxy-url': url } });
  const authorities = join(api.folder, 'proxy-ca.pem');
  writeFileSync(authorities, ca);
  api.on('GET *', () => ({ items: [] }));
  const ls = (env: Record<string, string>) =>
    runProcess({ args: [cli, 'ls', '--json', '--kubeconfig', kubeconfig], env: { NODE_OPTIONS: undefined, ...env } });
  expect(await ls({ NODE_EXTRA_CA_CERTS: authorities })).toMatchObject({ stderr: '', stdout: '[]\n', code: 0 });
  expect(new Set(asked)).toEqual(new Set([`api.example.test:6443 Basic ${Buffer.from('me:pw').toString('base64')}`]));
  expect((await ls({})).stderr).toContain('CLUSTER_CERTIFICATE');
});
