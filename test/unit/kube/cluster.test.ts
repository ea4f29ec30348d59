import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Cluster, openCluster } from '../../../src/kube/cluster';
import { dialPortForward } from '../../../src/kube/dial-port-forward';
import { inClusterContext } from '../../../src/kube/in-cluster';
import { chooseContext, kubeconfigPaths } from '../../../src/kube/kubeconfig';
import { chooseProxy } from '../../../src/kube/proxy';
import { readKubeconfig } from '../../../src/kube/read-kubeconfig';
import { request } from '../../../src/kube/request';
import { ScriptedApi, status } from '../../support/scripted-api';

let api: ScriptedApi;
let cleanups: (() => void)[] = [];
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

async function open(kubeconfig = api.kubeconfig, env: NodeJS.ProcessEnv = {}, more = {}): Promise<Cluster> {
  const cluster = await openCluster({ kubeconfig, context: undefined, acceptInvalidCertificates: false, ...more }, env);
  cleanups.push(() => cluster.close());
  return cluster;
}

const get = (cluster: Cluster, more = {}) =>
  request(cluster, { path: '/api/v1/x', operation: { verb: 'get', resource: 'x', namespace: 'default' }, ...more });

async function failure(run: () => Promise<unknown>): Promise<any> {
  return run().then(
    () => Promise.reject(new Error('nothing was thrown')),
    (error) => error,
  );
}

describe('kubeconfig', () => {
  const file = (name: string, content: string) => {
    const path = join(api.folder, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
    return path;
  };

  it('merges a list: the first to name a thing wins, missing files are passed over', () => {
    const first = file('a/one.yaml', 'contexts:\n- name: x\n  context: {cluster: c, user: u, namespace: first}\n');
    const second = file(
      'b/two.yaml',
      'current-context: x\nclusters:\n- name: c\n  cluster: {server: https://c, certificate-authority: ca.crt}\nusers:\n- name: u\n  user: {tokenFile: ../token}\ncontexts:\n- name: x\n  context: {cluster: c, user: u, namespace: second}\n',
    );
    const list = [first, join(api.folder, 'none'), second].join(delimiter);
    const chosen = chooseContext(readKubeconfig(kubeconfigPaths(undefined, { KUBECONFIG: list }))!, undefined);
    expect(chosen.namespace).toBe('first');
    expect(chosen.cluster['certificate-authority']).toBe(join(api.folder, 'b/ca.crt'));
    expect(chosen.user.tokenFile).toBe(join(api.folder, 'token'));
  });

  it('takes the option before KUBECONFIG before the home folder, and expands ~', () => {
    expect(kubeconfigPaths('~/x', { HOME: '/h', KUBECONFIG: '/k' })).toEqual(['/h/x']);
    expect(kubeconfigPaths(undefined, { HOME: '/h', KUBECONFIG: '/k' })).toEqual(['/k']);
    expect(kubeconfigPaths(undefined, { HOME: '/h' })).toEqual(['/h/.kube/config']);
  });

  it('names what is wrong, and no content of the file', async () => {
    const broken = file('broken', 'users:\n- name: u\n  user: {token: s3cret\n');
    const error = await failure(() => open(broken));
    expect(error.code).toBe('KUBECONFIG_INVALID');
    expect(error.message).not.toContain('s3cret');
    expect((await failure(() => open(join(api.folder, 'none')))).code).toBe('KUBECONFIG_NOT_FOUND');
    const context = await failure(() => open(api.kubeconfig, {}, { context: 'tst' }));
    expect(context).toMatchObject({
      code: 'KUBE_CONTEXT_NOT_FOUND',
      message: expect.stringContaining('Did you mean "test"?'),
    });
    expect((await failure(() => open(api.writeKubeconfig({ context: { user: 'nobody' } })))).message).toContain(
      '"nobody"',
    );
  });

  it.each(['htps://who:s3cret@api', 'who:s3cret@api:6443', 'https//who:s3/cr@et@api'])(
    'never tells the password in a server that is no URL: %s',
    async (server) => {
      const error = await failure(() => open(api.writeKubeconfig({ server })));
      expect(error.code).toBe('KUBECONFIG_INVALID');
      expect(error.message).toMatch(/"…@api(:6443)?"/);
      expect(JSON.stringify({ ...error })).not.toMatch(/s3/);
    },
  );

  it('gives way to the service account inside a pod', () => {
    const folder = join(api.folder, 'account');
    mkdirSync(folder);
    expect(
      inClusterContext({ KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' }, folder),
    ).toBeUndefined();
    writeFileSync(join(folder, 'token'), 't');
    writeFileSync(join(folder, 'namespace'), 'team\n');
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    expect(inClusterContext(env, folder)).toMatchObject({
      namespace: 'team',
      cluster: { server: 'https://[fd00::1]:443' },
    });
    expect(inClusterContext({}, folder)).toBeUndefined();
  });
});

describe('credentials', () => {
  it.each([
    ['a token', { token: 'abc' }, 'Bearer abc'],
    ['a password', { username: 'a', password: 'b' }, 'Basic YTpi'],
    ['nothing', {}, null],
  ])('%s', async (_, user, expected) => {
    const { body } = await get(await open(api.writeKubeconfig({ user })));
    expect(body.authorization).toBe(expected);
  });

  it('come from a token file, which is read again after a 401', async () => {
    const tokenFile = join(api.folder, 'token');
    writeFileSync(tokenFile, 'old\n');
    api.on('GET /api/v1/x', ({ headers }, response) =>
      headers.authorization === 'Bearer new' ? { ok: true } : status(response, 401, 'Unauthorized', 'Unauthorized'),
    );
    const cluster = await open(api.writeKubeconfig({ user: { tokenFile, token: 'literal' } }));
    writeFileSync(tokenFile, 'new\n');
    expect((await get(cluster)).body).toEqual({ ok: true });
    expect(api.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer new']);
  });

  it('can impersonate', async () => {
    const { body } = await get(await open(api.writeKubeconfig({ user: { token: 't', as: 'alice' } })));
    expect(body.user).toBe('alice');
  });

  const V1 = 'client.authentication.k8s.io/v1';
  const plugin = (script: string, more = {}) => ({
    exec: { apiVersion: V1, command: process.execPath, args: ['-e', script], interactiveMode: 'Never', ...more },
  });
  const credential = (statusCode: string) =>
    `console.log(JSON.stringify({ apiVersion: '${V1}', kind: 'ExecCredential', status: ${statusCode} }))`;

  it('come from an exec plugin, which is told of the cluster and gets its environment', async () => {
    const script = credential(
      '{ token: [JSON.parse(process.env.KUBERNETES_EXEC_INFO).spec.cluster.server.slice(0, 8), process.env.EXTRA].join() }',
    );
    const user = plugin(script, { provideClusterInfo: true, env: [{ name: 'EXTRA', value: 'x' }] });
    const { body } = await get(await open(api.writeKubeconfig({ user })));
    expect(body.authorization).toBe('Bearer https://,x');
  });

  it('of an exec plugin are renewed before they expire, and not earlier', async () => {
    const count = join(api.folder, 'count');
    const script = (seconds: number) =>
      `require('fs').appendFileSync(${JSON.stringify(count)}, 'x');` +
      credential(`{ token: 't', expirationTimestamp: new Date(Date.now() + ${seconds * 1000}).toISOString() }`);
    const runs = () => readFileSync(count, 'utf8').length;
    const lasting = await open(api.writeKubeconfig({ user: plugin(script(600)) }));
    await get(lasting);
    expect(runs()).toBe(1);
    const short = await open(api.writeKubeconfig({ user: plugin(script(20)) }));
    await get(short);
    expect(runs()).toBe(3);
  });

  it.each([
    ['a plugin that fails', 'console.error("log in first"); process.exit(3)', {}, /exit code 3: log in first/],
    [
      'a plugin that is not there',
      '',
      { command: '/no/such-plugin', installHint: 'Install it.' },
      /ENOENT.*Install it/,
    ],
    ['output that is no JSON', 'console.log("s3cret")', {}, /not JSON/],
    [
      'output without credentials',
      'console.log(JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status: {} }))',
      {},
      /no credentials/,
    ],
    ['a version that is not known', '', { apiVersion: 'x/v9' }, /apiVersion must be one of/],
  ])('%s is an error that says so', async (_, script, more, message) => {
    const error = await failure(() => open(api.writeKubeconfig({ user: plugin(script, more) })));
    expect(error.code).toBe('KUBE_CREDENTIALS_FAILED');
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('s3cret');
  });

  it('come from an auth provider through the Kubernetes client', async () => {
    const part = (data: object) => Buffer.from(JSON.stringify(data)).toString('base64url');
    const idToken = `${part({ alg: 'none' })}.${part({ exp: Math.floor(Date.now() / 1000) + 3600 })}.x`;
    const config = {
      'id-token': idToken,
      'client-id': 'c',
      'idp-issuer-url': 'https://idp.invalid',
      'refresh-token': 'r',
    };
    const user = { 'auth-provider': { name: 'oidc', config } };
    const { body } = await get(await open(api.writeKubeconfig({ user })));
    expect(body.authorization).toBe(`Bearer ${idToken}`);
  }, 60_000);
});

describe('answers', () => {
  it.each([
    [401, 'Unauthorized', 'CLUSTER_UNAUTHORIZED'],
    [
      403,
      'pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "default"',
      'FORBIDDEN',
    ],
    [409, 'conflict', 'KUBE_API_ERROR'],
  ])('%i', async (code, message, expected) => {
    api.on('GET /api/v1/x', (_, response) => status(response, code, 'R', message));
    const error = await failure(async () => get(await open()));
    expect(error.code).toBe(expected);
    expect(error.message).toContain(message);
    expect(error.hint || code === 409).toBeTruthy();
  });

  it('429 is waited for as long as the server asks, and tried again', async () => {
    let count = 0;
    api.on('GET /api/v1/x', (_, response) =>
      ++count === 1 ? status(response, 429, 'TooManyRequests', 'slow down', { 'retry-after': '1' }) : { ok: true },
    );
    const started = Date.now();
    expect((await get(await open())).body).toEqual({ ok: true });
    expect(Date.now() - started).toBeGreaterThanOrEqual(990);
  });

  it('429 that asks for too long is an error at once', async () => {
    api.on('GET /api/v1/x', (_, response) =>
      status(response, 429, 'TooManyRequests', 'later', { 'retry-after': '11' }),
    );
    expect((await failure(async () => get(await open()))).code).toBe('KUBE_API_ERROR');
    expect(api.requests).toHaveLength(1);
  });

  it('500 is tried four times for reads, once for writes', async () => {
    api.on('GET /api/v1/x', (_, response) => status(response, 500, 'InternalError', 'etcd'));
    api.on('POST /api/v1/x', (_, response) => status(response, 500, 'InternalError', 'etcd'));
    const cluster = await open();
    expect((await failure(() => get(cluster))).message).toContain('etcd');
    expect(api.requests).toHaveLength(4);
    await failure(() => get(cluster, { method: 'POST', body: {} }));
    expect(api.requests).toHaveLength(5);
  });

  it('that never come end in time', async () => {
    api.on('GET /api/v1/x', () => new Promise(() => {}));
    const cluster = await open();
    const error = await failure(() => get(cluster, { timeoutMs: 100 }));
    expect(error).toMatchObject({
      code: 'CLUSTER_UNREACHABLE',
      message: expect.stringContaining('no answer within 0.1 s'),
    });
  });

  it('that stop in the middle end too', async () => {
    api.on('GET /api/v1/x', (_, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"a":');
      setTimeout(() => response.destroy(), 20);
    });
    expect((await failure(async () => get(await open()))).code).toBe('CLUSTER_UNREACHABLE');
  });

  it('that are no JSON are not from Kubernetes', async () => {
    api.on('GET /api/v1/x', (_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Log in</html>');
    });
    expect((await failure(async () => get(await open()))).message).toContain('not as a Kubernetes API server does');
  });

  it('to a kept connection that the server has closed are asked for again', async () => {
    const cluster = await open();
    await get(cluster);
    let first = true;
    api.on('GET /api/v1/x', (_, response) => {
      if (!first) return { ok: true };
      first = false;
      response.socket!.destroy();
      return undefined;
    });
    expect((await get(cluster)).body).toEqual({ ok: true });
  });
});

describe('the way to the server', () => {
  it('is refused when nobody listens, with address and server', async () => {
    const kubeconfig = api.writeKubeconfig({ server: 'https://127.0.0.1:1' });
    const error = await failure(async () => get(await open(kubeconfig)));
    expect(error.code).toBe('CLUSTER_UNREACHABLE');
    expect(error.message).toMatch(/https:\/\/127\.0\.0\.1:1 .*ECONNREFUSED/);
  });

  it('is not found when the name does not resolve', async () => {
    const error = await failure(() => open(api.writeKubeconfig({ server: 'https://no-such-host.invalid:6443' })));
    expect(error).toMatchObject({
      code: 'CLUSTER_UNREACHABLE',
      message: expect.stringContaining('no-such-host.invalid'),
    });
  });

  it('checks the certificate, unless told not to', async () => {
    const other = await ScriptedApi.start();
    cleanups.push(() => other.stop());
    const wrong = api.writeKubeconfig({
      cluster: { 'certificate-authority-data': Buffer.from(other.ca).toString('base64') },
    });
    const error = await failure(async () => get(await open(wrong)));
    expect(error.code).toBe('CLUSTER_CERTIFICATE');
    expect((await get(await open(wrong, {}, { acceptInvalidCertificates: true }))).statusCode).toBe(200);
    const skip = api.writeKubeconfig({
      cluster: { 'certificate-authority-data': undefined, 'insecure-skip-tls-verify': true },
    });
    expect((await get(await open(skip))).statusCode).toBe(200);
  });

  it('checks the name of tls-server-name', async () => {
    const named = (name: string) => api.writeKubeconfig({ cluster: { 'tls-server-name': name } });
    expect((await get(await open(named('api.example.test')))).statusCode).toBe(200);
    expect((await failure(async () => get(await open(named('other.test'))))).code).toBe('CLUSTER_CERTIFICATE');
  });

  describe('through a proxy', () => {
    let proxy: Server;
    let asked: { url: string; auth: string | undefined }[];
    let proxyUrl: string;
    beforeEach(async () => {
      asked = [];
      proxy = createServer();
      proxy.on('connect', (request, socket, head) => {
        asked.push({ url: request.url ?? '', auth: request.headers['proxy-authorization'] });
        if (request.headers['proxy-authorization'] === undefined) {
          socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
          return;
        }
        const upstream = connect(api.port, '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n');
          if (head.length) upstream.write(head);
          socket.pipe(upstream).pipe(socket);
        });
        upstream.on('error', () => socket.destroy());
        socket.on('error', () => upstream.destroy());
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      proxyUrl = `http://me:pa%20ss@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      cleanups.push(() => proxy.close());
    });

    it("of the kubeconfig go requests and port-forwards, and the server name is the proxy's to resolve", async () => {
      const server = 'https://api.example.test:6443';
      const cluster = await open(api.writeKubeconfig({ server, cluster: { 'proxy-url': proxyUrl } }));
      expect((await get(cluster)).statusCode).toBe(200);
      cluster.agent.destroy();
      const transport = await dialPortForward(cluster, { namespace: 'd', pod: 'p', port: 1 });
      transport.destroy();
      expect(asked).toEqual([
        { url: 'api.example.test:6443', auth: `Basic ${Buffer.from('me:pa ss').toString('base64')}` },
        { url: 'api.example.test:6443', auth: `Basic ${Buffer.from('me:pa ss').toString('base64')}` },
      ]);
    });

    it('of the environment too, unless NO_PROXY names the host', async () => {
      const kubeconfig = api.writeKubeconfig({ server: 'https://api.example.test:6443' });
      expect((await get(await open(kubeconfig, { HTTPS_PROXY: proxyUrl }))).statusCode).toBe(200);
      expect(asked).toHaveLength(1);
      const direct = await failure(() => open(kubeconfig, { HTTPS_PROXY: proxyUrl, NO_PROXY: '.example.test' }));
      expect(direct.code).toBe('CLUSTER_UNREACHABLE');
      expect(asked).toHaveLength(1);
    });

    it('that refuses is told apart from the server', async () => {
      const bare = proxyUrl.replace('me:pa%20ss@', '');
      const kubeconfig = api.writeKubeconfig({
        server: 'https://api.example.test:6443',
        cluster: { 'proxy-url': bare },
      });
      expect((await failure(async () => get(await open(kubeconfig)))).code).toBe('KUBE_PROXY_REFUSED');
    });
  });

  it.each([
    ['https://k.example:6443', 'k.example', true],
    ['https://a.k.example:6443', '.k.example', true],
    ['https://a.k.example:6443', 'k.example:443', false],
    ['https://a.k.example:443', 'k.example:443', true],
    ['https://xk.example', 'k.example', false],
    ['https://10.1.2.3', '10.0.0.0/8', true],
    ['https://11.1.2.3', '10.0.0.0/8', false],
    ['https://11.1.2.3', '10.0.0.0/33', false],
    ['https://[fd00:1::7]:6443', 'fd00::/8', true],
    ['https://[fe00::7]:6443', 'fd00::/8', false],
    ['https://[fd00::7]:6443', '10.0.0.0/8', false],
    ['https://k.example:6443', 'other,k.example', true],
    ['https://k.example:6443', 'other k.example', true],
    ['https://anything', '*', true],
    ['https://127.0.0.1:6443', '', true],
    ['https://localhost:6443', '', true],
  ])('%s with NO_PROXY=%s is direct: %s', (server, list, direct) => {
    const proxy = chooseProxy(new URL(server), undefined, { HTTPS_PROXY: 'proxy:3128', NO_PROXY: list });
    expect(proxy === undefined).toBe(direct);
  });

  it('refuses a SOCKS proxy with a clear error', () => {
    expect(() => chooseProxy(new URL('https://k'), 'ftp://p:1', {})).toThrow(/proxy-url.*not an http/);
  });
});
