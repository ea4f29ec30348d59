import { readFileSync } from 'node:fs';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, type World } from '../e2e/world';
import { createCertificate } from '../support/certificate';
import { apply, configMap, deployment, service, settings, waitForDeployment } from '../support/cluster';
import { deployPostgres, deployRedis } from '../support/databases';
import { preload, runForJson } from '../support/spawn-app';

let world: World;
let ca: string;
const here = (name: string) => new URL(`./fixtures/${name}`, import.meta.url).pathname;

/** Runs a client program under the preload, with the target's network. */
const runClient = (file: string) => runForJson({ args: ['-r', preload, here(file)], env: { ...world.env, CA: ca } });

beforeAll(async () => {
  world = await createWorld('clients');
  const { namespace } = world;
  const { cert, key } = await createCertificate(['secure']);
  ca = cert;
  const bundle = await build({
    entryPoints: [here('ws-server.ts')],
    bundle: true,
    platform: 'node',
    write: false,
    minify: true,
  });
  await apply(
    configMap(namespace, 'servers', {
      'tls-server.cjs': readFileSync(here('tls-server.cjs'), 'utf8'),
      'ws-server.cjs': bundle.outputFiles[0]!.text,
    }),
    configMap(namespace, 'certificate', { 'cert.pem': cert, 'key.pem': key }),
    service(namespace, 'secure', [8443]),
    service(namespace, 'sockets', [8082]),
    deployment({
      name: 'secure',
      namespace,
      command: ['node', '/app/tls-server.cjs'],
      port: 8443,
      volumes: {
        '/app': { configMap: { name: 'servers' } },
        '/etc/certificate': { configMap: { name: 'certificate' } },
      },
    }),
    deployment({
      name: 'sockets',
      namespace,
      command: ['node', '/app/ws-server.cjs'],
      port: 8082,
      volumes: { '/app': { configMap: { name: 'servers' } } },
    }),
  );
  await Promise.all(['secure', 'sockets'].map((name) => waitForDeployment(namespace, name)));
}, 120_000);
afterAll(() => world?.drop());

it('tls, https and http2 speak to a server in the cluster', async () => {
  const seen = await runClient('node-clients.mjs');
  expect(seen.https).toEqual({ protocol: '1.1', caller: world.podIP, size: 0 });
  expect(seen.http2).toEqual({ protocol: '2.0', caller: world.podIP, size: 1 << 20 });
  expect(seen.tls).toEqual({ authorized: true, remotePort: 8443, protocol: 'TLSv1.3' });
  expect(seen.distrusted).toMatch(/SELF_SIGNED/);
});

it('undici keeps connections, takes big bodies and sees the codes of refused ones', async () => {
  const seen = await runClient('undici.mjs');
  expect(seen.body.caller).toBe(world.podIP);
  expect(seen.byteLength).toBe(8 << 20);
  expect(seen.refused).toEqual({ code: 'ECONNREFUSED', syscall: 'connect', port: 9 });
});

it('axios reaches services by name', async () => {
  expect(await runClient('axios.mjs')).toEqual({ caller: world.podIP, missing: 'ENOTFOUND' });
});

it('ws upgrades and echoes', async () => {
  expect(await runClient('ws.mjs')).toEqual({ caller: world.podIP, echoed: true });
});

describe.skipIf(!settings.serversImage)('databases in pods (need an image with the servers)', () => {
  it('ioredis reads, writes, pipelines and subscribes', async () => {
    await deployRedis(world.namespace);
    const seen = await runClient('ioredis.cjs');
    expect(seen).toEqual({ value: 'value', counter: '1000', news: 'news: hello', caller: world.podIP });
  }, 60_000);

  it('pg queries through a pool', async () => {
    await deployPostgres(world.namespace);
    expect(await runClient('pg.cjs')).toEqual({ sum: 1225, caller: world.podIP, failure: '42P01' });
  }, 90_000);
});
