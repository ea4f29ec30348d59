import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCluster } from '../../../src/kube/cluster';
import { dialPortForward } from '../../../src/kube/dial-port-forward';
import { request } from '../../../src/kube/request';
import { watchObjects } from '../../../src/kube/watch';
import { createCertificate } from '../../support/certificate';
import { ScriptedApi, type ScriptedRequest, startWatch } from '../../support/scripted-api';
import { type Form, scriptForwards } from '../../support/scripted-forwards';
import { identityToken } from '../../support/scripted-login';
import { startSocks } from '../../support/socks-proxy';

/** Everything that a kubeconfig can say holds for requests, watches and all forms of port-forward alike. */
let api: ScriptedApi;
let cleanups: (() => unknown)[];
beforeEach(async () => {
  api = await ScriptedApi.start();
  scriptForwards(api);
  cleanups = [];
});
afterEach(async () => {
  for (const cleanup of cleanups) await cleanup();
  await api.stop();
});

const file = (name: string, content: string) => {
  writeFileSync(join(api.folder, name), content);
  return name;
};
const base64 = (text: string) => Buffer.from(text).toString('base64');

function plugin(status: object) {
  const apiVersion = 'client.authentication.k8s.io/v1';
  const output = JSON.stringify({ apiVersion, kind: 'ExecCredential', status });
  const args = ['-e', `console.log(${JSON.stringify(output)})`];
  return { exec: { apiVersion, command: process.execPath, args, interactiveMode: 'Never' } };
}

/** A proxy that leads every CONNECT to the scripted server. */
async function startProxy(): Promise<string> {
  const proxy = createServer();
  proxy.on('connect', (_request, socket, head) => {
    const upstream = connect(api.port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      if (head.length > 0) upstream.write(head);
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => proxy.close());
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

interface Access {
  cluster?: object;
  user?: object;
  server?: string;
  env?: NodeJS.ProcessEnv;
}
/** A name that no resolver knows: only a proxy leads to it. */
const ELSEWHERE = 'https://api.example.test:6443';
const bearer = (token: string) => ({ headers: expect.objectContaining({ authorization: `Bearer ${token}` }) });

const items: [string, () => Access | Promise<Access>, object][] = [
  ['a token', () => ({ user: { token: 'abc' } }), bearer('abc')],
  ['a token file', () => ({ user: { tokenFile: file('token', 'from-file\n') } }), bearer('from-file')],
  [
    'a password',
    () => ({ user: { username: 'a', password: 'b' } }),
    { headers: expect.objectContaining({ authorization: 'Basic YTpi' }) },
  ],
  [
    'a client certificate, inline',
    async () => {
      const { cert, key } = await createCertificate(['dev-user']);
      return { user: { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) } };
    },
    { certificate: 'dev-user' },
  ],
  [
    'a client certificate in files',
    async () => {
      const { cert, key } = await createCertificate(['file-user']);
      return { user: { 'client-certificate': file('c.pem', cert), 'client-key': file('k.pem', key) } };
    },
    { certificate: 'file-user' },
  ],
  ['a plug-in with a token', () => ({ user: plugin({ token: 'plugged' }) }), bearer('plugged')],
  [
    'a plug-in with a certificate',
    async () => {
      const { cert, key } = await createCertificate(['plugged-user']);
      return { user: plugin({ clientCertificateData: cert, clientKeyData: key }) };
    },
    { certificate: 'plugged-user' },
  ],
  [
    'an id-token (OIDC)',
    () => ({ user: { 'auth-provider': { name: 'oidc', config: { 'id-token': identityToken(3600, 'fixed') } } } }),
    { headers: expect.objectContaining({ authorization: expect.stringMatching(/^Bearer .*\.fixed$/) }) },
  ],
  [
    'impersonation',
    () => ({ user: { token: 't', as: 'alice', 'as-groups': ['dev', 'ops'] } }),
    { headers: expect.objectContaining({ 'impersonate-user': 'alice', 'impersonate-group': 'dev, ops' }) },
  ],
  ['a proxy-url', async () => ({ server: ELSEWHERE, cluster: { 'proxy-url': await startProxy() } }), {}],
  ['HTTPS_PROXY', async () => ({ server: ELSEWHERE, env: { HTTPS_PROXY: await startProxy() } }), {}],
  [
    'a SOCKS5 proxy',
    async () => {
      const { address, stop } = await startSocks(() => api.port);
      cleanups.push(stop);
      return { server: ELSEWHERE, cluster: { 'proxy-url': `socks5://${address}` } };
    },
    {},
  ],
  [
    'a server that NO_PROXY names',
    () => ({
      server: `https://127.0.0.1:${api.port}`,
      env: { HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '127.0.0.1' },
    }),
    {},
  ],
  ['a tls-server-name', () => ({ cluster: { 'tls-server-name': 'localhost' } }), { servername: 'localhost' }],
  [
    'an authority in a file',
    () => ({ cluster: { 'certificate-authority-data': undefined, 'certificate-authority': file('ca.pem', api.ca) } }),
    {},
  ],
  [
    'no check of the certificate',
    () => ({ cluster: { 'certificate-authority-data': undefined, 'insecure-skip-tls-verify': true } }),
    {},
  ],
  ['a server below a path', () => ({ server: `https://127.0.0.1:${api.port}/k8s/clusters/c-1` }), {}],
];

const PODS = '/api/v1/namespaces/default/pods';

describe.each(items)('%s', (_, access, expected) => {
  async function open(form?: Form) {
    const { env = {}, ...parts } = await access();
    const kubeconfig = api.writeKubeconfig(parts);
    const settings = { kubeconfig, context: undefined, acceptInvalidCertificates: false };
    const cluster = await openCluster(settings, { ...env, ...(form && { MIRRORD_PORT_FORWARD: form }) });
    cleanups.push(() => cluster.close());
    return cluster;
  }
  const last = () => api.requests.at(-1) as ScriptedRequest;

  it('in a request and in a watch', async () => {
    const cluster = await open();
    const base = cluster.server.pathname.replace(/\/$/, '');
    const pod = { metadata: { uid: 'u', name: 'p' } };
    api.on(`GET ${base}${PODS}`, ({ query }, response) => {
      if (!query.get('watch')) return { items: [pod] };
      startWatch(response)('ADDED', pod);
      return undefined;
    });
    const operation = { verb: 'list', resource: 'pods', namespace: 'default' };
    expect((await request(cluster, { path: PODS, operation })).body.items).toEqual([pod]);
    expect(last()).toMatchObject(expected);
    const stop = new AbortController();
    const seen = await new Promise((resolve, reject) => {
      const options = { path: PODS, query: {}, resource: 'pods', namespace: 'default', signal: stop.signal };
      watchObjects(cluster, { ...options, onChange: resolve }).catch(reject);
    });
    expect(seen).toEqual([pod]);
    expect(api.requests.find(({ query }) => query.get('watch'))).toMatchObject(expected);
    stop.abort();
  });

  it.each(['websocket', 'spdy-websocket', 'spdy'] as const)('in a port-forward by %s', async (form) => {
    const cluster = await open(form);
    const transport = await dialPortForward(cluster, { namespace: 'default', pod: 'agent', port: 30_000 });
    cleanups.push(() => transport.destroy());
    transport.on('error', () => {});
    transport.write('hello');
    expect(String((await once(transport, 'data'))[0])).toBe('hello');
    expect(last()).toMatchObject({ method: 'UPGRADE', ...expected });
    expect(last().path).toBe(`${cluster.server.pathname.replace(/\/$/, '')}${PODS}/agent/portforward`);
  });
});

it('a server without TLS is spoken to in the clear', async () => {
  const plain = createServer((_, response) => response.end('{"ok":true}'));
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => plain.close());
  const server = `http://127.0.0.1:${(plain.address() as AddressInfo).port}`;
  const kubeconfig = api.writeKubeconfig({ server });
  const cluster = await openCluster({ kubeconfig, context: undefined, acceptInvalidCertificates: false }, {});
  cleanups.push(() => cluster.close());
  const operation = { verb: 'get', resource: 'x', namespace: undefined };
  expect((await request(cluster, { path: '/api', operation })).body).toEqual({ ok: true });
});
