import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Developer } from '../e2e/incoming-world';
import { startRunning } from '../e2e/running';
import { createCertificate } from '../support/certificate';
import {
  apply,
  configMap,
  createNamespace,
  deployment,
  eventually,
  runInPod,
  service,
  waitForDeployment,
} from '../support/cluster';
import { clusterEnv, preload } from '../support/spawn-app';

const LIMIT = { timeout: 90_000 };
const PORTS = Array.from({ length: 10 }, (_, index) => 7001 + index);
const here = (name: string) => new URL(`./fixtures/${name}`, import.meta.url).pathname;

let namespace: string;
let drop: () => Promise<void>;
let caller: string;
let folder: string;
let app: Developer | undefined;

/** What a pod beside the target gets of one kind of server. */
const call = async (kind: string, user?: string) =>
  JSON.parse(await runInPod(namespace, caller, ['node', '/app/caller.cjs', kind, ...(user ? [user] : [])]));

/** The developer's servers, once all of them listen. */
async function develop(env: Record<string, string>): Promise<void> {
  const all = {
    ...clusterEnv('deployment/target', namespace),
    MIRRORD_PROGRESS: 'off',
    APP_CERT: join(folder, 'cert.pem'),
    APP_KEY: join(folder, 'key.pem'),
    ...env,
  };
  app = new Developer(startRunning(['-r', preload, here('servers-app.cjs')], all, { stdin: 'pipe' }));
  await app.up();
}

async function bundle(name: string): Promise<string> {
  const options = { bundle: true, platform: 'node', write: false, minify: true } as const;
  return (await build({ ...options, entryPoints: [here(name)] })).outputFiles[0]!.text;
}

beforeAll(async () => {
  ({ name: namespace, drop } = await createNamespace('servers'));
  folder = mkdtempSync(join(tmpdir(), 'mirrord-servers-'));
  const { cert, key } = await createCertificate(['target']);
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
  await apply(
    configMap(namespace, 'pod', { 'pod.cjs': await bundle('servers-pod.cjs') }),
    configMap(namespace, 'caller', { 'caller.cjs': await bundle('servers-caller.cjs') }),
    service(namespace, 'target', PORTS),
    deployment({
      name: 'target',
      namespace,
      command: ['node', '/app/pod.cjs'],
      port: 7010,
      volumes: { '/app': { configMap: { name: 'pod' } } },
    }),
    deployment({
      name: 'caller',
      namespace,
      command: ['node', '-e', 'setInterval(() => {}, 1e6)'],
      volumes: { '/app': { configMap: { name: 'caller' } } },
    }),
  );
  const [, pod] = await Promise.all(['target', 'caller'].map((name) => waitForDeployment(namespace, name)));
  caller = pod!.metadata!.name!;
}, 120_000);
afterEach(async () => {
  await app?.leave();
  app = undefined;
});
afterAll(async () => {
  app?.process.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
  await drop?.();
});

/** All that gRPC has, as one of the two tells it. */
const grpcOf = (by: string, cancelled: unknown) => ({
  unary: { answer: { by, echo: { text: 'hello' } }, status: `0 ${by} 0,1,255` },
  serverStream: { count: 200, by, status: `0 ${by} 0,1,255` },
  clientStream: { answer: { by, sum: 4950 }, status: `0 ${by} 0,1,255` },
  both: { got: [0, 2, 4].map((n) => ({ by, n })), status: `0 ${by} 0,1,255` },
  fail: { answer: `not with ${by} ✗`, status: `5 ${by} 0,1,255` },
  hang: expect.stringMatching(/^1 /),
  late: 4,
  cancelled,
});

it('all kinds of servers get the traffic of the pod, and see its clients', LIMIT, async () => {
  await develop({ MIRRORD_AGENT_TCP_STEAL_TRAFFIC: 'true' });
  expect(app!.stderr).toBe('');
  expect(await call('net')).toEqual({ isPeer: true, echoed: true });
  const told = { size: 300_000, isPeer: true };
  expect(await call('http')).toEqual({ by: 'http', version: '1.1', status: 200, ...told });
  expect(await call('https')).toEqual({ by: 'https', version: '1.1', status: 200, ...told });
  expect(await call('h2c')).toEqual({ by: 'h2c', version: '2.0', ...told });
  expect(await call('h2')).toEqual({ by: 'h2', version: '2.0', ...told });
  expect(await call('h2 as HTTP/1')).toEqual({ by: 'h2', version: '1.1', status: 200, ...told });
  expect(await call('express')).toMatchObject({ by: 'express', id: '7', status: 201, ...told });
  expect(await call('fastify')).toEqual({ by: 'fastify', id: '7', status: 201, ...told });
  expect(await call('ws')).toEqual({
    got: [expect.stringMatching(/^[\d.]+ \d+$/), 'developer hello', 200_000],
    code: 4000,
  });
  await eventually('the server to hear of the end', async () => app!.heard.some((line) => (line as any).closed));
  expect(app!.heard).toContainEqual({ closed: [4000, 'enough'] });
  expect(await call('socket.io')).toEqual({
    polling: { sum: 7, text: 'hello', transport: 'polling' },
    websocket: { sum: 7, text: 'hello', transport: 'websocket' },
    'polling,websocket': { sum: 7, text: 'hello', transport: 'websocket' },
  });
  expect(await call('grpc')).toEqual(grpcOf('developer', 2));
  expect(app!.stderr).toBe('');
});

it('a filter divides WebSockets and gRPC, streams with trailers and cancellation too', LIMIT, async () => {
  await develop({ MIRRORD_AGENT_TCP_STEAL_TRAFFIC: 'true', MIRRORD_HTTP_HEADER_FILTER: '^x-user: me$' });
  expect(await call('ws')).toEqual({ got: ['pod hello', 200_000], code: 4000 });
  expect(await call('ws', 'me')).toMatchObject({ got: [expect.any(String), 'developer hello', 200_000] });
  expect(await call('grpc', 'me')).toEqual(grpcOf('developer', 2));
  // Cancelled calls of an earlier test may be counted there.
  expect(await call('grpc')).toEqual(grpcOf('pod', 2));
  expect(app!.stderr).toBe('');
});
