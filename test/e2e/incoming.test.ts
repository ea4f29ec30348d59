import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/cluster';
import { createIncomingWorld, type IncomingWorld } from './incoming-world';

const LIMIT = { timeout: 60_000 };
const STEAL = { MIRRORD_AGENT_TCP_STEAL_TRAFFIC: 'true' };
const FILTER = { ...STEAL, MIRRORD_HTTP_HEADER_FILTER: '^x-user: me$' };

let world: IncomingWorld;
beforeAll(async () => {
  world = await createIncomingWorld('incoming');
}, 120_000);
afterEach(() => world?.leaveAll());
afterAll(() => world?.drop());

it('gives the app all that comes to the pod, and the pod its own again when the app ends', LIMIT, async () => {
  const developer = await world.develop(STEAL, ['http', 'http2', 'tcp']);
  const answer = await world.call('http');
  expect(answer).toEqual({ by: 'developer', url: '/one', body: 'x'.repeat(100_000), peer: world.callerIP });
  expect(await world.call('tcp')).toBe('developer:hello');
  expect(await world.call('http2')).toEqual({ text: 'developer', status: '0' });
  expect(await world.call('upgrade')).toBe('developer:hello');
  // Its own port is an ordinary port here.
  const own = await (await fetch(`http://127.0.0.1:${world.ports.http}/here`)).json();
  expect(own).toMatchObject({ by: 'developer', peer: '127.0.0.1' });
  await developer.leave();
  expect(developer.stderr).toBe('');
  await eventually('the pod to answer again', async () => (await world.call('http')).by === 'pod');
  expect(await world.call('tcp')).toBe('pod:hello');
});

it('gives the app the requests that match, one by one, and the pod the others', LIMIT, async () => {
  const developer = await world.develop(FILTER, ['http', 'http2', 'tcp']);
  expect(await world.call('alternate', 'x-user=me')).toEqual([
    'pod /0',
    'developer /1',
    'pod /2',
    'developer /3',
    'pod /4',
    'developer /5',
  ]);
  expect(await world.call('upgrade', 'x-user=me')).toBe('developer:hello');
  expect(await world.call('upgrade')).toBe('pod:hello');
  expect(await world.call('http2', 'x-user=me')).toEqual({ text: 'developer', status: '0' });
  expect(await world.call('http2')).toEqual({ text: 'pod' });
  // What is not HTTP is nobody's but the pod's.
  expect(await world.call('tcp')).toBe('pod:hello');
  await developer.leave();
  expect(developer.stderr).toBe('');
});

it('mirrors by default: the pod answers and the app hears', LIMIT, async () => {
  const developer = await world.develop({});
  expect((await world.call('http')).by).toBe('pod');
  await eventually('the app to hear the request', async () =>
    developer.heard.some((value) => (value as { heard?: string }).heard === '/one'),
  );
  await developer.leave();
  expect(developer.stderr).toBe('');
});

it('refuses a second developer the same port, with who has it', LIMIT, async () => {
  const first = await world.develop(STEAL, ['tcp']);
  const folder = mkdtempSync(join(tmpdir(), 'mirrord-second-'));
  const file = join(folder, 'mirrord.json');
  const { http, tcp } = world.ports;
  const port_mapping = [http, tcp].map((port) => [port + 10_000, port]);
  const incoming = { mode: 'steal', port_mapping };
  writeFileSync(file, JSON.stringify({ feature: { network: { incoming } } }));
  const second = await world.develop({ MIRRORD_CONFIG_FILE: file, APP_OFFSET: '10000' }, ['http', 'tcp']);
  expect(second.stderr).toContain(`PORT_STOLEN: port ${tcp} of the pod`);
  expect(second.stderr).toContain(userInfo().username);
  expect(await world.call('tcp')).toBe('developer:hello');
  // A port that nobody else has is its.
  expect((await world.call('http')).by).toBe('developer');
  rmSync(folder, { recursive: true });
  // A killed one would be waited for, as one whose link is lost is.
  await Promise.all([first.leave(), second.leave()]);
});

it.each([
  ['all of the port', STEAL],
  ['what a filter finds', FILTER],
])(
  'tells the caller of an app that is stopped, instead of letting it wait: the app takes %s',
  LIMIT,
  async (_, variables) => {
    const developer = await world.develop(variables);
    expect(await world.call('status', 'x-user=me')).toMatch(/^200 .*"by":"developer"/);
    developer.process.kill('SIGSTOP');
    const answer = await world.call('status', 'x-user=me');
    developer.process.kill('SIGCONT');
    expect(answer).toMatch(/^502 mirrord: this request to port \d+ is taken by .*: their process does not react\n$/);
    await eventually('the developer to answer again', async () => {
      return (await world.call('status', 'x-user=me')).startsWith('200 {"by":"developer"');
    });
    await developer.leave();
    expect(developer.stderr).toBe('');
  },
);

it(
  'tells the app of a port that its configuration names and the pod lacks, with the ports there are',
  LIMIT,
  async () => {
    const { http, http2, tcp } = world.ports;
    const folder = mkdtempSync(join(tmpdir(), 'mirrord-unknown-'));
    const file = join(folder, 'mirrord.json');
    const port_mapping = [[http + 10_000, http + 9]];
    writeFileSync(file, JSON.stringify({ feature: { network: { incoming: { mode: 'steal', port_mapping } } } }));
    const developer = await world.develop({ MIRRORD_CONFIG_FILE: file, APP_OFFSET: '10000' });
    expect(developer.stderr).toContain(
      `PORT_UNKNOWN: port ${http + 9} of the pod is not stolen: ` +
        `feature.network.incoming.port_mapping has [${http + 10_000}, ${http + 9}], but nothing in the pod listens on port ${http + 9}; ` +
        `it listens on ${http}, ${http2}, ${tcp}, and its containers declare no such port`,
    );
    // The app goes on, on this machine.
    const own = await (await fetch(`http://127.0.0.1:${http + 10_000}/here`)).json();
    expect(own).toMatchObject({ by: 'developer' });
    expect((await world.call('http')).by).toBe('pod');
    rmSync(folder, { recursive: true });
    await developer.leave();
  },
);

it('lets the pod answer again when the developer’s process is killed', LIMIT, async () => {
  await eventually('the pod to have its ports again', async () => (await world.call('tcp')) === 'pod:hello');
  const developer = await world.develop(STEAL);
  expect(developer.stderr).toBe('');
  expect((await world.call('http')).by).toBe('developer');
  developer.process.kill('SIGKILL');
  await eventually('the pod to answer', async () => (await world.call('http')).by === 'pod');
});
