import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useBridges } from './harness';

const world = useBridges();
const limits = (loadMs: number, startMs = 20_000, abandonMs = 100) => ({ loadMs, startMs, abandonMs });

describe('a start', () => {
  it('gives what the app’s thread needs: variables, hostname, the relay’s port, the session', async () => {
    const ready = await world.create().start();
    expect(ready.podEnv).toEqual({ FROM_POD: 'yes' });
    expect(ready.info.hostname).toBe('pod-of-the-test');
    expect(ready.relayPort).toBeGreaterThan(0);
    expect(ready.session).toMatch(/^.+:[0-9a-f]{64}$/);
  });

  it('passes progress on to whoever asked for events', async () => {
    const texts: string[] = [];
    const start = { role: 'owner', overrides: {}, cwd: process.cwd(), progress: 'events' } as const;
    await world.start({}, { start, onProgress: ({ text }) => texts.push(text) });
    expect(texts).toContain('scripted progress');
  });

  it('reports what the worker says went wrong', async () => {
    await expect(world.create({ TEST_FAIL: '1' }).start()).rejects.toThrow('scripted failure');
  });

  it('says that the worker’s file is missing before it waits for anything', () => {
    expect(() => world.create({}, { workerPath: '/nowhere/worker.cjs' })).toThrow(
      expect.objectContaining({ code: 'WORKER_MISSING' }),
    );
  });

  it('is given up after the limit that the configuration allows', async () => {
    const bridge = world.create({ TEST_HANG: '1', TEST_START_LIMIT: '300' }, { startLimits: limits(5_000, 5_000) });
    const failure = await bridge.start().catch((error) => error.cause);
    expect(failure).toMatchObject({ code: 'START_TIMEOUT', message: expect.stringContaining('0.3 s') });
  });

  it('ends early when it is aborted', async () => {
    const abort = new AbortController();
    const started = world.create({ TEST_HANG: '1' }, { startLimits: limits(5_000) }).start(abort.signal);
    setTimeout(() => abort.abort(), 100);
    await expect(started).rejects.toMatchObject({ cause: { code: 'START_ABORTED' } });
  });

  it('is given up when it is aborted in the moment in which the session is up', async () => {
    const abort = new AbortController();
    const started = world.create().start(abort.signal);
    // Long enough for the worker to be ready, which this thread then learns together with the abort.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000);
    abort.abort();
    await expect(started).rejects.toMatchObject({ cause: { code: 'START_ABORTED' } });
  });

  it('of an app whose worker exits meanwhile says so', async () => {
    const started = world.create({ TEST_HANG: '1', TEST_EXIT_AFTER: '50' }).start();
    await expect(started).rejects.toMatchObject({ cause: { code: 'WORKER_FAILED' } });
  });
});

describe('a worker whose program does not load', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mirrord-broken-'));
    copyFileSync(world.bundles.worker, join(folder, 'worker-loader.cjs'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['throws', 'throw new Error("boom")', 'boom'],
    ['is not JavaScript', 'const = 1', 'Unexpected token'],
    ['needs what is not there', 'require("no-such-module")', 'no-such-module'],
  ])('is reported at once: it %s', async (_, program, why) => {
    writeFileSync(join(folder, 'bridge-worker.cjs'), `(function (exports, require) {${program}\n})`);
    const create = () => world.create({}, { workerPath: join(folder, 'worker-loader.cjs') });
    const expected = { cause: { code: 'WORKER_FAILED', message: expect.stringContaining(why) } };
    expect(() => create().startSync()).toThrow(expect.objectContaining({ message: expect.stringContaining(why) }));
    await expect(create().start()).rejects.toMatchObject(expected);
  });
});

describe('a blocking start', () => {
  const script = (body: string) => {
    const file = join(world.bundles.folder, `script-${body.length}.cjs`);
    writeFileSync(file, body);
    return file;
  };

  it.each(['throw new Error("boom")', 'const = 1'])('is bounded for a worker that is: %s', (body) => {
    const bridge = world.create({}, { workerPath: script(body), startLimits: limits(300) });
    const started = performance.now();
    expect(() => bridge.startSync()).toThrow(/within 0.3 s; waited for: the worker thread to load/);
    expect(performance.now() - started).toBeLessThan(3_000);
  });

  it('ends with the worker’s own error when it can tell one', () => {
    expect(() => world.create({ TEST_FAIL: '1' }).startSync()).toThrow('scripted failure');
  });

  it('comes up with the same facts as an asynchronous one', () => {
    expect(world.create().startSync().podEnv).toEqual({ FROM_POD: 'yes' });
  });

  it('is bounded for a worker that hangs, and lets it clean up', () => {
    const bridge = world.create({ TEST_HANG: '1', TEST_START_LIMIT: '200' }, { startLimits: limits(5_000) });
    expect(() => bridge.startSync()).toThrow(/within 0.2 s/);
  });
});
