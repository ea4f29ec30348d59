import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ApiProxy } from '../support/api-proxy';
import { settings } from '../support/cluster';
import { preload } from '../support/spawn-app';
import { nothingLeft } from './agents';
import { createPlace, type Place, type Running } from './running';
import { createWorld, fixturePath, type World } from './world';

let world: World;
let proxy: ApiProxy;
let place: Place;

beforeAll(async () => {
  world = await createWorld('outage');
}, 120_000);
afterAll(() => world?.drop());
beforeEach(async () => {
  proxy = await ApiProxy.start(settings.kubeconfig);
  place = createPlace();
});
afterEach(async () => {
  proxy.resume();
  proxy.stop();
  place.remove();
});

const start = (fixture: string): Running =>
  place.run(['-r', preload, fixturePath(fixture)], { ...world.env, KUBECONFIG: proxy.kubeconfig });

const received = ({ lines }: Running): number => lines.findLast((line) => line.received)?.received ?? 0;

/** Everything goes on: bytes come back that were not there before. */
async function goesOn(running: Running, limitMs = 60_000): Promise<void> {
  const [before, calls] = [received(running), running.lines.findLast((line) => line.calls)?.calls ?? 0];
  const test = (line: any) => line.received > before + 100 && line.calls > calls + 20;
  await running.line('streams and calls to go on', test, limitMs);
}

const said = (running: Running, text: RegExp) =>
  running.line(`stderr to say ${text}`, () => text.test(running.stderr()), 60_000);

/** Lines are only looked for once one has come: this one comes every quarter of a second. */
async function endsWell(running: Running): Promise<void> {
  running.child.kill('SIGTERM');
  const { last } = await running.line('the app to end', ({ last }) => last, 60_000);
  expect(last).toMatchObject({ sent: last.received, wrong: 0 });
  expect(running.lines.filter((line) => line.failed || line.wrong)).toEqual([]);
  expect(await running.exited).toEqual({ code: 0, signal: null });
  await nothingLeft(world.namespace, 60_000);
}

describe('a path on which nothing arrives any more', () => {
  it('is noticed, said in one line, and costs nothing when it ends', { timeout: 240_000 }, async () => {
    const running = start('goes-on.cjs');
    await goesOn(running);
    proxy.pause();
    // 5 s of silence, then 10 s for the answer to a PING.
    await said(running, /warning: the link to the agent is lost \(the agent was silent for \d+ ms\)/);
    proxy.resume();
    await goesOn(running);
    await said(running, /mirrord: the link to the agent is back after [\d.]+ s/);
    await endsWell(running);
    const [, silentMs] = /silent for (\d+) ms/.exec(running.stderr())!;
    expect(Number(silentMs)).toBeGreaterThanOrEqual(14_900);
    expect(running.stderr().match(/warning:/g)).toHaveLength(1);
  });
});

describe('processes that did not run for a while', () => {
  /** Longer than what counts as a machine that slept. */
  const SLEEP_MS = 7_000;

  async function sleep(running: Running, meanwhile: () => void): Promise<void> {
    const pids = place.processes();
    expect(pids).toContain(running.child.pid);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    meanwhile();
    await new Promise((resolve) => setTimeout(resolve, SLEEP_MS));
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }

  it('go on as if nothing had been, when the path is still there', { timeout: 240_000 }, async () => {
    const running = start('goes-on.cjs');
    await goesOn(running);
    await sleep(running, () => {});
    await goesOn(running);
    await endsWell(running);
    expect(running.stderr()).not.toContain('warning');
  });

  it('ask at once, and dial again when there is no answer', { timeout: 240_000 }, async () => {
    const running = start('goes-on.cjs');
    await goesOn(running);
    await sleep(running, () => proxy.set({ hole: true }));
    await said(running, /lost \(the agent did not answer within 2 s after this process had not run for \d+ s\)/);
    proxy.set({});
    await goesOn(running);
    await endsWell(running);
  });
});
