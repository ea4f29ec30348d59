import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inClusterContext } from '../../../src/kube/in-cluster';
import { chooseContext, kubeconfigPaths } from '../../../src/kube/kubeconfig';
import { readKubeconfig } from '../../../src/kube/read-kubeconfig';
import { status } from '../../support/scripted-api';

import { api, failure, get, open } from './opened-cluster';

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
