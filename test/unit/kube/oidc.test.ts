import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCluster } from '../../../src/kube/cluster';
import { request } from '../../../src/kube/request';
import { ScriptedApi, status } from '../../support/scripted-api';
import { identityToken, type ScriptedLogin, startLogin } from '../../support/scripted-login';
import { startSocks } from '../../support/socks-proxy';

let api: ScriptedApi;
let login: ScriptedLogin;
let cleanups: (() => void)[];
beforeEach(async () => {
  api = await ScriptedApi.start();
  login = await startLogin();
  cleanups = [];
  api.on('GET /api/v1/x', ({ headers }) => ({ authorization: headers.authorization }));
});
afterEach(async () => {
  for (const cleanup of cleanups) cleanup();
  login.stop();
  await api.stop();
});

const base64 = (text: string) => Buffer.from(text).toString('base64');

function userWith(config: object = {}): object {
  return {
    'auth-provider': {
      name: 'oidc',
      config: {
        'idp-issuer-url': login.issuer,
        'idp-certificate-authority-data': base64(login.ca),
        'client-id': 'kubernetes',
        'client-secret': 's3cret/+',
        'id-token': identityToken(-60, 'expired'),
        'refresh-token': 'refresh-1',
        ...config,
      },
    },
  };
}

async function ask(kubeconfig: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const cluster = await openCluster({ kubeconfig, context: undefined, acceptInvalidCertificates: false }, env);
  cleanups.push(() => cluster.close());
  const operation = { verb: 'get', resource: 'x', namespace: 'default' };
  return (await request(cluster, { path: '/api/v1/x', operation })).body.authorization;
}

const failure = (kubeconfig: string) =>
  ask(kubeconfig).then(
    () => Promise.reject(new Error('nothing was thrown')),
    (error) => error,
  );

describe('an id-token that has expired', () => {
  it('is exchanged at the endpoint that discovery names, by the client’s own login', async () => {
    expect(await ask(api.writeKubeconfig({ user: userWith() }))).toMatch(/^Bearer .*\.fresh$/);
    expect(login.requests).toEqual([
      { method: 'GET', path: '/realm/.well-known/openid-configuration', authorization: undefined, form: {} },
      {
        method: 'POST',
        path: '/realm/token',
        authorization: `Basic ${base64('kubernetes:s3cret%2F%2B')}`,
        form: { grant_type: 'refresh_token', refresh_token: 'refresh-1' },
      },
    ]);
  });

  it('is exchanged with the login in the form, where the header is not taken', async () => {
    login.token = ({ form, authorization }) =>
      authorization || form.client_secret !== 's3cret/+'
        ? { status: 401, body: { error: 'invalid_client' } }
        : { body: { id_token: identityToken(60, 'by-form') } };
    expect(await ask(api.writeKubeconfig({ user: userWith() }))).toMatch(/\.by-form$/);
    expect(login.requests.at(-1)!.form).toMatchObject({ client_id: 'kubernetes' });
  });

  it('is not exchanged before it is about to expire', async () => {
    const idToken = identityToken(3600, 'good');
    expect(await ask(api.writeKubeconfig({ user: userWith({ 'id-token': idToken }) }))).toBe(`Bearer ${idToken}`);
    expect(login.requests).toEqual([]);
    await ask(api.writeKubeconfig({ user: userWith({ 'id-token': identityToken(20) }) }));
    expect(login.requests).toHaveLength(2);
  });

  it('is exchanged again in the middle of a session, when the new one expires too', async () => {
    let count = 0;
    login.token = () => ({ body: { id_token: identityToken(20, `no-${++count}`), refresh_token: `r-${count}` } });
    const kubeconfig = api.writeKubeconfig({ user: userWith() });
    const cluster = await openCluster({ kubeconfig, context: undefined, acceptInvalidCertificates: false }, {});
    cleanups.push(() => cluster.close());
    const operation = { verb: 'get', resource: 'x', namespace: 'default' };
    const { body } = await request(cluster, { path: '/api/v1/x', operation });
    expect(body.authorization).toMatch(/\.no-2$/);
    expect(login.requests.filter(({ method }) => method === 'POST').map(({ form }) => form.refresh_token)).toEqual([
      'refresh-1',
      'r-1',
    ]);
  });

  it('goes through the proxy of the environment', async () => {
    const named = await startLogin('login.example.test');
    const proxy = await startSocks(() => named.port);
    cleanups.push(named.stop, proxy.stop);
    const user = userWith({ 'idp-issuer-url': named.issuer, 'idp-certificate-authority-data': base64(named.ca) });
    // The cluster itself is on loopback, which no proxy is asked for.
    const token = await ask(api.writeKubeconfig({ user }), { HTTPS_PROXY: `socks5://${proxy.address}` });
    expect(token).toMatch(/\.fresh$/);
    expect(new Set(proxy.asked)).toEqual(new Set([`login.example.test:${named.port}`]));
  });
});

describe('new tokens', () => {
  it('are put into the kubeconfig, and nothing else of it changes: comments, mode and links stay', async () => {
    const old = identityToken(-60, 'old');
    const text = `# mine
current-context: test
clusters: [{ name: c, cluster: { server: "https://127.0.0.1:${api.port}", certificate-authority-data: ${base64(api.ca)} } }]
contexts: [{ name: test, context: { cluster: c, user: u } }]
users:
  - name: u # the login
    user:
      auth-provider:
        name: oidc
        config:
          idp-issuer-url: ${login.issuer}
          idp-certificate-authority-data: ${base64(login.ca)}
          client-id: kubernetes
          id-token: ${old}
          refresh-token: 'refresh-1'
`;
    const real = join(api.folder, 'real');
    const link = join(api.folder, 'link');
    writeFileSync(real, text);
    chmodSync(real, 0o600);
    symlinkSync(real, link);
    const token = await ask(link);
    expect(readFileSync(real, 'utf8')).toBe(
      text.replace(old, token.slice('Bearer '.length)).replace('refresh-1', 'refresh-2'),
    );
    expect(statSync(real).mode & 0o777).toBe(0o600);
    // The next process finds a token that is good, and asks nobody.
    login.requests.length = 0;
    expect(await ask(link)).toBe(token);
    expect(login.requests).toEqual([]);
  });

  it.each([
    ['another program holds its lock', (path: string) => writeFileSync(`${path}.lock`, '')],
    [
      'it says the old ones in another way',
      (path: string) => writeFileSync(path, readFileSync(path, 'utf8').replace('refresh-1', 'refresh\\u002d1')),
    ],
  ])('stay with the process where %s', async (_, prepare) => {
    const kubeconfig = api.writeKubeconfig({ user: userWith() });
    prepare(kubeconfig);
    const before = readFileSync(kubeconfig, 'utf8');
    login.token = ({ form }) =>
      form.refresh_token === 'refresh-1' || form.refresh_token === 'refresh-2'
        ? { body: { id_token: identityToken(20, form.refresh_token), refresh_token: 'refresh-2' } }
        : { status: 400, body: { error: 'invalid_grant' } };
    expect(await ask(kubeconfig)).toMatch(/\.refresh-2$/);
    expect(readFileSync(kubeconfig, 'utf8')).toBe(before);
  });
});

describe('a login that fails says why, and no token', () => {
  const config = (changes: object) => () => userWith(changes);
  const cases: [string, () => object, () => void, RegExp][] = [
    [
      'a refresh token that is over',
      config({}),
      () => {
        login.token = () => ({
          status: 400,
          body: { error: 'invalid_grant', error_description: 'Session not active' },
        });
      },
      /refuses the refresh-token: invalid_grant: Session not active/,
    ],
    ['no refresh token', config({ 'refresh-token': undefined }), () => {}, /expired, and there is no refresh-token/],
    ['no issuer', config({ 'idp-issuer-url': undefined }), () => {}, /has no idp-issuer-url/],
    [
      'a discovery that names no endpoint',
      config({}),
      () => {
        login.discovery = { issuer: login.issuer };
      },
      /names no token_endpoint/,
    ],
    [
      'an answer without an id-token',
      config({}),
      () => {
        login.token = () => ({ body: { access_token: 'a' } });
      },
      /no id_token: the login has to ask for "openid"/,
    ],
    [
      'a provider that fails',
      config({}),
      () => {
        login.token = () => ({ status: 503, body: '<html>' });
      },
      /token answered 503, and not with JSON/,
    ],
    ['a certificate nobody knows', config({ 'idp-certificate-authority-data': undefined }), () => {}, /certificate/],
    ['a provider that is not there', config({ 'idp-issuer-url': 'https://127.0.0.1:1' }), () => {}, /ECONNREFUSED/],
  ];
  it.each(cases)('%s', async (_, user, prepare, words) => {
    prepare();
    const error = await failure(api.writeKubeconfig({ user: user() }));
    expect(error.code).toBe('KUBE_CREDENTIALS_FAILED');
    expect(error.message).toMatch(words);
    expect(error.message + error.hint).not.toMatch(/refresh-1|s3cret|eyJ/);
  });
});

it.each([
  ['gcp', /gke-gcloud-auth-plugin/],
  ['azure', /kubelogin/],
  ['openstack', /kubectl has none of that name/],
])('the auth provider %s, which kubectl no longer has, is named with what took its place', async (name, words) => {
  const error = await failure(api.writeKubeconfig({ user: { 'auth-provider': { name, config: {} } } }));
  expect(error).toMatchObject({ code: 'KUBE_CREDENTIALS_FAILED', message: expect.stringMatching(words) });
});

it('after a 401 the kubeconfig is read again: the user may have logged in meanwhile', async () => {
  api.on('GET /api/v1/x', ({ headers }, response) =>
    headers.authorization === 'Bearer second'
      ? { authorization: 'second' }
      : status(response, 401, 'Unauthorized', 'Unauthorized'),
  );
  const kubeconfig = api.writeKubeconfig({ user: { token: 'first' } });
  const cluster = await openCluster({ kubeconfig, context: undefined, acceptInvalidCertificates: false }, {});
  cleanups.push(() => cluster.close());
  api.writeKubeconfig({ user: { token: 'second' } });
  const operation = { verb: 'get', resource: 'x', namespace: 'default' };
  expect((await request(cluster, { path: '/api/v1/x', operation })).body.authorization).toBe('second');
});
