import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createCertificate } from '../support/certificate';
import {
  apply,
  configMap,
  createNamespace,
  deployment,
  eventually,
  runInPod,
  settings,
  waitForDeployment,
} from '../support/cluster';
import { clusterEnv, preload } from '../support/spawn-app';
import { createPlace, type Place, type Running } from './running';
import { fixturePath } from './world';

const LIMIT = { timeout: 60_000 };
/** A port of the application, and one that the mesh is told to leave alone. */
const PORT = 18_490;
const SKIPPED = 18_491;
const PROXY_USER = 1337;

/** As Istio's init container writes them, in the order and with the exemptions that it has. */
const MESH_RULES = `table inet istio {
  chain inbound { type nat hook prerouting priority dstnat; policy accept;
    tcp dport { 15008, 15020, 15021, 15090, ${SKIPPED} } return
    meta l4proto tcp redirect to :15006
  }
  chain outbound { type nat hook output priority -100; policy accept;
    ip saddr 127.0.0.6 oifname "lo" return
    oifname "lo" ip daddr != 127.0.0.1 meta skuid ${PROXY_USER} meta l4proto tcp redirect to :15006
    oifname "lo" meta skuid != ${PROXY_USER} return
    meta skuid ${PROXY_USER} return
    meta skgid ${PROXY_USER} return
    ip daddr 127.0.0.1 return
    meta l4proto tcp redirect to :15001
  }
}`;

let namespace: string;
let drop: () => Promise<void>;
let target: { name: string; ip: string };
let caller: { name: string; ip: string };
let place: Place;
let app: Running | undefined;

beforeAll(async () => {
  ({ name: namespace, drop } = await createNamespace('mesh'));
  const { cert, key } = await createCertificate(['target']);
  const fixture = (name: string) => readFileSync(fixturePath(name), 'utf8');
  const container = (name: string, command: string[], more: object = {}) => ({
    name,
    image: settings.nodeImage,
    command,
    volumeMounts: [{ name: 'code', mountPath: '/app' }],
    ...more,
  });
  const env = [
    { name: 'CERT', value: cert },
    { name: 'KEY', value: key },
    { name: 'APP_PORT', value: String(PORT) },
    { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
  ];
  const spec = {
    terminationGracePeriodSeconds: 1,
    volumes: [{ name: 'code', configMap: { name: 'code' } }],
    initContainers: [
      container('istio-init', ['nft', '-f', '/app/mesh.nft'], {
        securityContext: { capabilities: { add: ['NET_ADMIN'] } },
      }),
    ],
    containers: [
      container('app', ['node', '/app/answers.cjs', 'pod', String(PORT), String(SKIPPED)]),
      container('istio-proxy', ['node', '/app/mesh-sidecar.cjs'], {
        env,
        securityContext: { runAsUser: PROXY_USER, runAsGroup: PROXY_USER },
        readinessProbe: { tcpSocket: { port: PORT }, periodSeconds: 1 },
      }),
    ],
  };
  await apply(
    configMap(namespace, 'code', {
      'answers.cjs': fixture('answers.cjs'),
      'mesh-sidecar.cjs': fixture('mesh-sidecar.cjs'),
      'mesh.nft': MESH_RULES,
    }),
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'target', namespace },
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: 'target' } },
        template: { metadata: { labels: { app: 'target' } }, spec },
      },
    } as never,
    deployment({ name: 'caller', namespace, command: ['node', '-e', 'setInterval(() => {}, 1e6)'] }),
  );
  const pods = await Promise.all(['target', 'caller'].map((name) => waitForDeployment(namespace, name)));
  [target, caller] = pods.map(({ metadata, status }) => ({ name: metadata!.name!, ip: status!.podIP! })) as [
    typeof target,
    typeof caller,
  ];
}, 120_000);
afterEach(async () => {
  app?.child.kill('SIGTERM');
  await app?.exited;
  place?.remove();
});
afterAll(() => drop?.());

/** What somebody in another pod is told: over TLS, as within the mesh, or plain. */
const ASK = `const [scheme, host, port, path, user] = process.argv.slice(1);
  const options = { host, port, path, agent: false, headers: { 'x-user': user }, rejectUnauthorized: false };
  require('node:' + scheme).get(options, async (response) => {
    let text = '';
    for await (const chunk of response) text += chunk;
    console.log(text);
  }).on('error', (error) => console.log(JSON.stringify({ failed: error.code })));`;
const ask = async (scheme: string, port: number, user = 'nobody') =>
  JSON.parse(await runInPod(namespace, caller.name, ['node', '-e', ASK, scheme, target.ip, String(port), '/', user]));

async function develop(env: Record<string, string>): Promise<Running> {
  place = createPlace();
  const args = ['-r', preload, fixturePath('answers.cjs'), 'developer', String(PORT), String(SKIPPED)];
  const settings = { MIRRORD_PROGRESS: 'off', MIRRORD_AGENT_TCP_STEAL_TRAFFIC: 'true', ...env };
  app = place.run(args, { ...clusterEnv('deployment/target/container/app', namespace), ...settings });
  await app.line('the developer to listen', (line) => line === 'up', 40_000);
  return app;
}

it('what the sidecar hands to the application is stolen in plain, and given back', LIMIT, async () => {
  expect(await ask('https', PORT)).toEqual({ by: 'pod', url: '/', peer: '::ffff:127.0.0.6' });
  const running = await develop({});
  // Nobody but the sidecar knows who has called: it is the application's caller, here and there.
  expect(await ask('https', PORT)).toEqual({ by: 'developer', url: '/', peer: '::ffff:127.0.0.6' });
  expect(running.stderr()).toBe('');
  running.child.kill('SIGTERM');
  await eventually('the pod to answer', async () => (await ask('https', PORT)).by === 'pod');
});

it('a filter sees the requests, and what it leaves reaches the application past the mesh’s rules', LIMIT, async () => {
  await develop({ MIRRORD_HTTP_HEADER_FILTER: '^x-user: me$' });
  expect((await ask('https', PORT, 'me')).by).toBe('developer');
  expect((await ask('https', PORT)).by).toBe('pod');
});

it('a port that the mesh leaves alone is stolen from its callers themselves', LIMIT, async () => {
  await eventually('the agent of before to be out of the way', async () => {
    const { by, peer } = await ask('http', SKIPPED);
    return by === 'pod' && peer === `::ffff:${caller.ip}`;
  });
  await develop({});
  expect(await ask('http', SKIPPED)).toMatchObject({ by: 'developer', peer: `::ffff:${caller.ip}` });
});
