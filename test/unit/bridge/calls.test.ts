import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { PAYLOAD_BYTES } from '../../../src/bridge/shared-memory';
import { WireFailure } from '../../../src/protocol/session-types';
import { useBridges } from './harness';

const world = useBridges();

/** Size of the serialized stat beside which a file travels; what is left of the payload is for the bytes. */
const SIZES: [string, number][] = [
  ['no bytes', 0],
  ['a few bytes', 100],
  ['almost a payload', PAYLOAD_BYTES - 600],
  ['a payload', PAYLOAD_BYTES],
  ['a payload and one byte', PAYLOAD_BYTES + 1],
  ['five megabytes', 5 * 1024 * 1024],
];

describe('a synchronous call', () => {
  it.each(SIZES)('brings over %s', async (_name, size) => {
    const bridge = await world.start();
    for (let round = 0; round < 3; round++) {
      const { result, raw } = bridge.callSync('fs.readFile', { path: `/size/${size}` });
      expect(raw.byteLength).toBe(size);
      expect(raw.every((byte) => byte === 0x61)).toBe(true);
      expect(result.stat).toMatchObject({ size: BigInt(size), ino: 2n ** 60n });
    }
  });

  it('gives bytes that the next call does not overwrite', async () => {
    const bridge = await world.start();
    const { raw } = bridge.callSync('fs.readFile', { path: '/size/1000' });
    bridge.callSync('fs.realpath', { path: '/another' });
    expect(raw.every((byte) => byte === 0x61)).toBe(true);
  });

  it('finds the border between payload and message byte by byte', async () => {
    const bridge = await world.start();
    for (let size = PAYLOAD_BYTES - 420; size < PAYLOAD_BYTES - 200; size++) {
      expect(bridge.callSync('fs.readFile', { path: `/size/${size}` }).raw.byteLength).toBe(size);
    }
  });

  it('throws what the agent says, as the class it was', async () => {
    const bridge = await world.start();
    const failure = caught(() => bridge.callSync('fs.stat', { path: '/nothing' }));
    expect(failure).toBeInstanceOf(WireFailure);
    expect(failure).toMatchObject({ code: 'ENOENT', wire: { errno: -2, syscall: 'stat', path: '/nothing' } });
  });

  it('that gets no answer ends at its limit, and the next one gets its own', async () => {
    const syncLimits = { callMs: 300, probeAfterMs: 10_000, probeLimitMs: 10_000 };
    const bridge = await world.start({}, { syncLimits });
    const call = () => bridge.callSync('fs.access', { path: '/never', mode: 0 });
    expect(call).toThrow(expect.objectContaining({ code: 'SYNC_CALL_TIMEOUT' }));
    expect(bridge.callSync('fs.realpath', { path: '/x' }).result).toEqual({ path: '/x' });
  });

  it('works while asynchronous ones are under way', async () => {
    const bridge = await world.start();
    const pending = Array.from({ length: 20 }, (_, index) => bridge.call('fs.realpath', { path: `/${index}` }));
    expect(bridge.callSync('fs.realpath', { path: '/sync' }).result.path).toBe('/sync');
    const paths = (await Promise.all(pending)).map(({ result }) => result.path);
    expect(paths).toEqual(Array.from({ length: 20 }, (_, index) => `/${index}`));
  });
});

describe('a worker that', () => {
  it('exits rejects what is pending and fails what comes after', async () => {
    const bridge = await world.start({ TEST_EXIT_AFTER: '400' });
    await expect(bridge.call('fs.access', { path: '/never', mode: 0 })).rejects.toMatchObject({
      code: 'WORKER_FAILED',
    });
    expect(() => bridge.callSync('fs.realpath', { path: '/' })).toThrow(/has stopped/);
    await expect(bridge.call('fs.realpath', { path: '/' })).rejects.toMatchObject({ code: 'WORKER_FAILED' });
  });

  it('crashes is told once, with the reason', async () => {
    const told: string[] = [];
    const onEnded = (reason: Error) => void told.push(reason.message);
    await world.start({ TEST_CRASH_AFTER: '400' }, { onEnded });
    await expect.poll(() => told, { timeout: 5_000 }).toEqual([expect.stringContaining('scripted crash')]);
  });

  it('exits during a synchronous call ends it', async () => {
    const bridge = await world.start({ TEST_EXIT_AFTER: '600' });
    const call = () => bridge.callSync('fs.access', { path: '/never', mode: 0 });
    const started = performance.now();
    expect(call).toThrow(expect.objectContaining({ code: 'WORKER_FAILED' }));
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('is stuck is told from an agent that is slow', async () => {
    const syncLimits = { callMs: 20_000, probeAfterMs: 200, probeLimitMs: 300 };
    const stuck = await world.start({ TEST_BLOCK_AFTER: '700' }, { syncLimits });
    const started = performance.now();
    const call = () => stuck.callSync('fs.access', { path: '/never', mode: 0 });
    expect(call).toThrow(expect.objectContaining({ code: 'WORKER_FAILED' }));
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('is slow but turning is waited for until the call’s own limit', async () => {
    const syncLimits = { callMs: 1_500, probeAfterMs: 100, probeLimitMs: 300 };
    const bridge = await world.start({}, { syncLimits });
    const call = () => bridge.callSync('fs.access', { path: '/never', mode: 0 });
    expect(call).toThrow(expect.objectContaining({ code: 'SYNC_CALL_TIMEOUT' }));
  });
});

describe('an asynchronous call', () => {
  it.each(SIZES)('brings over %s', async (_name, size) => {
    const bridge = await world.start();
    const { result, raw } = await bridge.call('fs.readFile', { path: `/size/${size}` });
    expect(raw.byteLength).toBe(size);
    expect(result.stat.size).toBe(BigInt(size));
  });

  it('rejects with what the agent says', async () => {
    const bridge = await world.start();
    await expect(bridge.call('fs.stat', { path: '/nothing' })).rejects.toBeInstanceOf(WireFailure);
  });

  it('keeps the async context of its caller', async () => {
    const bridge = await world.start();
    const storage = new AsyncLocalStorage<string>();
    const seen = await Promise.all(
      ['one', 'two'].map((name) =>
        storage.run(name, async () => {
          await bridge.call('fs.realpath', { path: '/' });
          return storage.getStore();
        }),
      ),
    );
    expect(seen).toEqual(['one', 'two']);
  });

  it('after close connects to nothing, though the app has fake timers', async () => {
    const bridge = await world.start();
    await bridge.close();
    const { setImmediate: real } = globalThis;
    globalThis.setImmediate = (() => {}) as never;
    try {
      const outcome = new Promise((resolve) => bridge.connect({ address: '10.0.0.1', port: 1 }, resolve));
      expect(await outcome).toEqual({ ok: false, code: 'ECONNRESET' });
    } finally {
      globalThis.setImmediate = real;
    }
  });

  it('after close is refused, and close can be called twice', async () => {
    const bridge = await world.start();
    await Promise.all([bridge.close(), bridge.close()]);
    await expect(bridge.call('fs.realpath', { path: '/' })).rejects.toMatchObject({ code: 'SESSION_CLOSED' });
    expect(() => bridge.callSync('fs.realpath', { path: '/' })).toThrow(/closed/);
  });

  it('close ends the agent’s session at once', async () => {
    const bridge = await world.start();
    const before = await world.agent.sessions();
    await bridge.close();
    await expect.poll(() => world.agent.sessions()).toBe(before - 1);
  });
});

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
