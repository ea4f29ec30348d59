import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until, whyNot } from '../pod-node';
import { deliverTo, listening } from './developer';
import { type Client, type IncomingWorld, POD_IP, startIncomingWorld } from './world';

const reason = whyNot();
const require = createRequire(import.meta.url);
const fixture = (name: string) => new URL(`./fixtures/${name}`, import.meta.url).pathname;
const { http1Server, http2Server } = require(fixture('odd-server.cjs'));

type Kind = 'http1' | 'http2';
const PORTS = { http1: 8080, http2: 8090 };

/** By name, and short enough to be read. */
function differences(expected: Record<string, unknown>, answers: Record<string, unknown>) {
  const show = (value: unknown) => JSON.stringify(value)?.slice(0, 2_000);
  return Object.keys(expected)
    .filter((name) => show(expected[name]) !== show(answers[name]))
    .map((name) => ({ name, direct: show(expected[name]), taken: show(answers[name]) }));
}

describe.skipIf(reason)('callers see the same bytes and ends', () => {
  let world: IncomingWorld;
  let client: Client;
  const direct: Record<Kind, Record<string, unknown>> = { http1: {}, http2: {} };

  /** All conversations of a kind, as `user`. */
  const call = (kind: Kind, user: string) =>
    world.caller.run(({ args, require }: any) => require(args.file)[args.kind](args), {
      file: fixture('odd-caller.cjs'),
      kind,
      host: POD_IP,
      port: PORTS[kind],
      user,
    }) as Promise<Record<string, unknown>>;

  beforeAll(async () => {
    world = await startIncomingWorld();
    await world.pod.run(
      async ({ args, require }: any) => {
        const servers = require(args.file);
        await new Promise((resolve) => servers.http1Server().listen(args.http1, resolve));
        await new Promise((resolve) => servers.http2Server().listen(args.http2, resolve));
      },
      { file: fixture('odd-server.cjs'), ...PORTS },
    );
    client = await world.connect();
    for (const kind of ['http1', 'http2'] as const) direct[kind] = await call(kind, 'nobodies');
  }, 120_000);
  afterAll(async () => {
    await client?.link.close();
    world?.close();
  });

  it('and there is something to see', () => {
    for (const [name, answer] of Object.entries({ ...direct.http1, ...direct.http2 }))
      expect(JSON.stringify(answer), name).not.toMatch(/time-out|ECONNREFUSED/);
    expect(direct.http1['a client that goes within its request']).toContain('aborted');
    expect(direct.http1['half an answer, and a reset']).toContain('half|ECONNRESET');
  });

  const steal = { filter: { header: '^x-user: ann-user$' } };
  it.each<[string, Kind, string, object, boolean]>([
    ['from the pod, past a filter', 'http1', 'bob-user', steal, false],
    ['from the pod, past a filter', 'http2', 'bob-user', steal, false],
    ['from a developer, by a filter', 'http1', 'ann-user', steal, true],
    ['from a developer, by a filter', 'http2', 'ann-user', steal, true],
    ['from a developer who takes all', 'http1', 'ann-user', {}, true],
    ['from a developer who takes all', 'http2', 'ann-user', {}, true],
    ['from a developer who takes even probes', 'http2', 'ann-user', { keepProbes: false }, true],
    ['from the pod, with a copy for a developer', 'http1', 'ann-user', { ...steal, mode: 'mirror' }, false],
    ['from the pod, with a copy for a developer', 'http2', 'ann-user', { ...steal, mode: 'mirror' }, false],
    ['from the pod, with a copy of all', 'http1', 'ann-user', { mode: 'mirror' }, false],
  ])(
    '%s: %s',
    async (_name, kind, user, params, taken) => {
      const server = await listening(kind === 'http1' ? http1Server() : http2Server());
      let connections = 0;
      (server as any).on('connection', () => (connections += 1));
      deliverTo(client, server as any);
      const subscription = await client.subscribe({ port: PORTS[kind], ...params });
      const answers = await call(kind, user);
      await client.unsubscribe(subscription);
      await until('the rules to be gone', () => !world.rules().includes('mirrord'));
      server.close();
      expect(connections > 0).toBe(taken || 'mode' in params);
      expect(differences(direct[kind], answers)).toEqual([]);
    },
    90_000,
  );
});
