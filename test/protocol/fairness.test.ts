import { describe, expect, it } from 'vitest';
import { encode } from '../../src/protocol/codec';
import { FrameDecoder } from '../../src/protocol/decoder';
import { type Frame, FrameType, u64 } from '../../src/protocol/frame';
import {
  INITIAL_WINDOW,
  MAX_WINDOW,
  PACE_START,
  SLIGHT_BYTES,
  SLIGHT_TURNS,
  TRANSPORT_QUEUE,
  WRITE_BATCH,
} from '../../src/protocol/limits';
import type { MuxStream } from '../../src/protocol/session-types';
import { ANSWER, RawPeer, settle, TCP, World } from './world';

/** A world whose agent sends without end on `count` streams that nobody reads. */
async function saturated(count: number): Promise<{ world: World; streams: MuxStream[] }> {
  const world = new World();
  world.agent.onOpen((request) => {
    const stream = request.accept(ANSWER);
    stream.onData = () => {};
    stream.write(Buffer.alloc(100_000_000));
  });
  world.agent.onCall(async () => ({ result: 'quick' }));
  const opening = Array.from({ length: count }, () => world.client.open(TCP));
  await settle();
  while (world.toAgent.bytes.byteLength > 0) {
    world.deliver('toAgent', 1e6);
    await settle();
  }
  // The pipe to the client is full by now; the ACCEPTs are ahead in it.
  const drainAccepts = async () => {
    for (let n = 0; n < 40; n += 1) {
      world.deliver('toClient', 1000);
      await settle();
    }
  };
  await drainAccepts();
  return { world, streams: await Promise.all(opening) };
}

function framesIn(bytes: Uint8Array): Frame[] {
  const decoder = new FrameDecoder();
  decoder.push(bytes);
  const frames: Frame[] = [];
  for (let frame = decoder.next(); frame; frame = decoder.next()) frames.push(frame);
  return frames;
}

describe('what shares a link with a saturated stream', () => {
  it('waits for what is in the transport and for nothing else', async () => {
    const { world, streams } = await saturated(1);
    streams[0]!.onData = (chunk) => streams[0]!.consumed(chunk.byteLength);
    const before = world.toClient.bytes.byteLength;
    expect(before).toBeLessThanOrEqual(world.capacity + WRITE_BATCH);
    let answered = false;
    let pinged = false;
    void world.client.call('m', {}).then(() => {
      answered = true;
    });
    void world.client.ping().then(() => {
      pinged = true;
    });
    await settle();
    world.deliver('toAgent', 1e6);
    await settle();
    let delivered = 0;
    while (!answered || !pinged) {
      world.deliver('toClient', 4096);
      delivered += 4096;
      await settle();
      world.deliver('toAgent', 1e6);
    }
    // Though a hundred megabytes wait, no more than the transport held came first.
    expect(delivered).toBeLessThan(before + WRITE_BATCH);
    expect(world.capacity).toBeLessThanOrEqual(TRANSPORT_QUEUE);
  });

  it('gets its turn: DATA of streams goes round, frame by frame', async () => {
    const { world, streams } = await saturated(3);
    const order: number[] = [];
    for (const stream of streams) {
      stream.onData = (chunk) => {
        if (chunk.byteLength > 10_000) order.push(stream.id);
        stream.consumed(chunk.byteLength);
      };
    }
    for (let n = 0; n < 200; n += 1) {
      world.deliver('toClient', 65_536);
      await settle();
      world.deliver('toAgent', 1e6);
    }
    const counts = streams.map(({ id }) => order.filter((other) => other === id).length);
    expect(Math.min(...counts)).toBeGreaterThan(20);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(4);
  });

  it('is not held up by a reader that never reads, which costs one window', async () => {
    const { world, streams } = await saturated(2);
    let received = 0;
    streams[0]!.onData = () => {};
    streams[1]!.onData = (chunk) => {
      received += chunk.byteLength;
      streams[1]!.consumed(chunk.byteLength);
    };
    let deaf = 0;
    streams[0]!.onData = (chunk) => {
      deaf += chunk.byteLength;
    };
    for (let n = 0; n < 300; n += 1) {
      world.deliver('toClient', 65_536);
      await settle();
      world.deliver('toAgent', 1e6);
      await settle();
    }
    expect(deaf).toBe(INITIAL_WINDOW);
    expect(received).toBeGreaterThan(10_000_000);
  });

  it('goes first with a little, though the pace holds bulk up', async () => {
    const peer = new RawPeer('agent');
    const streams: MuxStream[] = [];
    peer.connection.onOpen((request) => {
      const stream = request.accept(ANSWER);
      stream.onData = () => {};
      streams.push(stream);
    });
    for (const id of [1, 3]) await peer.send(FrameType.OPEN, id, encode({ window: 2 ** 24, request: TCP }));
    streams[0]!.write(Buffer.alloc(4_000_000));
    await settle();
    const held = peer.of(FrameType.DATA).length;
    expect(held * 65_536).toBe(PACE_START);
    streams[1]!.write(Buffer.alloc(SLIGHT_BYTES + 1));
    await settle();
    expect(peer.of(FrameType.DATA).length).toBe(held);
    // Taken as bulk, that waits; what comes once it is gone is a little again.
    await peer.send(FrameType.ACK, 0, u64(4));
    await peer.send(FrameType.ACK, 0, u64(8));
    const before = peer.of(FrameType.DATA).length;
    streams[1]!.write(Buffer.alloc(SLIGHT_BYTES));
    await settle();
    const [last, ...more] = peer.of(FrameType.DATA).slice(before);
    expect([last!.id, last!.payload.byteLength, more.length]).toEqual([3, SLIGHT_BYTES, 0]);
  });

  it('leaves bulk its turn, however many have a little', async () => {
    const peer = new RawPeer('agent');
    const streams: MuxStream[] = [];
    peer.connection.detach();
    const frames: Frame[] = [];
    peer.connection.attach((buffers) => {
      frames.push(...framesIn(Buffer.concat(buffers)));
      return false;
    });
    peer.connection.onOpen((request) => {
      const stream = request.accept(ANSWER);
      stream.onData = () => {};
      streams.push(stream);
    });
    const count = 3 * SLIGHT_TURNS;
    for (let id = 1; id <= 2 * count + 1; id += 2) {
      await peer.send(FrameType.OPEN, id, encode({ window: 2 ** 24, request: TCP }));
      peer.connection.writable();
    }
    streams[0]!.write(Buffer.alloc(1_000_000));
    for (const stream of streams.slice(1)) stream.write(Buffer.from('a little'));
    for (let n = 0; n < 20; n += 1) {
      await settle();
      peer.connection.writable();
    }
    const order = frames.filter(({ type }) => type === FrameType.DATA).map(({ id }) => id);
    const bulk = order.flatMap((id, index) => (id === 1 ? [index] : []));
    const lastLittle = order.findLastIndex((id) => id !== 1);
    expect(order.filter((id) => id !== 1)).toHaveLength(count);
    expect(bulk.filter((index) => index < lastLittle).length).toBeGreaterThanOrEqual(2);
  });

  it('sends ahead of DATA what is no DATA', async () => {
    const peer = new RawPeer('agent');
    const batches: Frame[][] = [];
    peer.connection.detach();
    peer.connection.attach((buffers) => {
      batches.push(framesIn(Buffer.concat(buffers)));
      return false;
    });
    peer.connection.onOpen((request) => {
      const stream = request.accept(ANSWER);
      stream.onData = () => {};
      stream.write(Buffer.alloc(1_000_000));
    });
    await peer.send(FrameType.OPEN, 1, encode({ window: 2 ** 20, request: TCP }));
    peer.connection.emitEvent('urgent', 1);
    peer.connection.writable();
    peer.connection.writable();
    await settle();
    const types = batches.map((frames) => frames.map(({ type }) => type).filter((type) => type !== FrameType.PING));
    const { ACCEPT, DATA, EVENT } = FrameType;
    // Each batch stops at the first full transport; the event leads the one after it was made.
    expect(types[0]![0]).toBe(ACCEPT);
    expect(types[0]).toContain(DATA);
    expect(types[1]![0]).toBe(EVENT);
    expect(types[1]).toContain(DATA);
  });
});

describe('a stream', () => {
  it('delivers nothing before onData is set, then all in order', async () => {
    const world = new World();
    world.agent.onOpen((request) => {
      const stream = request.accept(ANSWER);
      stream.write(Buffer.from('one'));
      stream.end();
    });
    const opening = world.client.open(TCP);
    await world.drain();
    const stream = await opening;
    stream.end();
    await world.drain();
    const seen: string[] = [];
    stream.onData = (chunk) => seen.push(chunk.toString());
    stream.onEnd = () => seen.push('end');
    stream.onClose = () => seen.push('close');
    expect(seen).toEqual([]);
    await settle();
    expect(seen).toEqual(['one', 'end', 'close']);
  });

  it('is reset, and nothing else is, when its handler throws', async () => {
    const world = new World();
    world.agent.onOpen((request) => {
      const stream = request.accept(ANSWER);
      stream.onData = () => {
        throw new Error('in a handler');
      };
    });
    const opening = world.client.open(TCP);
    await world.drain();
    const stream = await opening;
    const resets: unknown[] = [];
    stream.onData = () => {};
    stream.onReset = (reset) => resets.push(reset);
    stream.write(Buffer.from('x'));
    await world.drain();
    expect(resets).toEqual([{ code: 'EIO', message: 'a handler failed: in a handler' }]);
    expect(world.client.closed || world.agent.closed).toBe(false);
  });

  it('that the opener takes back is aborted at the other end', async () => {
    const world = new World();
    let aborted = false;
    world.agent.onOpen((request) => {
      request.onAbort = () => {
        aborted = true;
      };
    });
    const controller = new AbortController();
    const opening = world.client.open(TCP, controller.signal);
    await world.drain();
    controller.abort(new Error('not wanted'));
    await expect(opening).rejects.toThrow('not wanted');
    await world.drain();
    expect(aborted).toBe(true);
    world.clock.advance(100);
    expect(world.client.stats.windowSum).toBe(0);
    expect(world.clock.pending).toBe(0);
  });

  it('grows its window while it is used up within two round trips, up to its limit', async () => {
    const { world, streams } = await saturated(1);
    streams[0]!.onData = (chunk) => streams[0]!.consumed(chunk.byteLength);
    for (let n = 0; n < 150; n += 1) {
      world.capacity = 1e9;
      world.clock.advance(2);
      world.deliver('toClient', 1e9);
      await settle();
      world.clock.advance(2);
      world.deliver('toAgent', 1e9);
      await settle();
    }
    expect(world.client.stats.windowSum).toBe(MAX_WINDOW);
  });
});

describe('a call', () => {
  it('is cancelled at the other end when its time is over', async () => {
    const world = new World();
    let aborted = false;
    world.agent.onCall((_method, _params, _raw, signal) => {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      return new Promise(() => {});
    });
    const call = world.client.call('slow', {}, { timeoutMs: 500 });
    await world.drain();
    world.clock.advance(499);
    expect(world.client.stats.calls).toBe(1);
    world.clock.advance(1);
    await expect(call).rejects.toMatchObject({ code: 'CALL_TIMEOUT' });
    await world.drain();
    expect(aborted).toBe(true);
  });

  it('has no time limit of its own while the link is down, and is answered after a resume', async () => {
    const world = new World();
    world.agent.onCall(async () => ({ result: 'late' }));
    const call = world.client.call('m', {}, { timeoutMs: 500 });
    await settle();
    world.cut();
    world.clock.advance(20_000);
    world.connect();
    await world.drain();
    expect((await call).result).toBe('late');
  });

  it('that is made while the link is down waits for it, and no longer than its own time limit', async () => {
    const world = new World();
    world.agent.onCall(async () => ({ result: 'here' }));
    world.cut();
    const short = world.client.call('m', {}, { timeoutMs: 500 });
    const long = world.client.call('m', {}, { timeoutMs: 5_000 });
    short.catch(() => {});
    world.clock.advance(499);
    await settle();
    expect(world.client.stats.calls).toBe(2);
    world.clock.advance(1);
    await expect(short).rejects.toMatchObject({ code: 'CALL_TIMEOUT' });
    world.connect();
    await world.drain();
    expect((await long).result).toBe('here');
  });

  it('that no handler serves is told so', async () => {
    const world = new World();
    const call = world.client.call('m', {});
    call.catch(() => {});
    await world.drain();
    await expect(call).rejects.toMatchObject({ code: 'ENOSYS', message: 'm is not served here' });
  });

  it('takes its answer from a source piece by piece, and fails when that changes its length', async () => {
    const world = new World();
    world.agent.onCall(async (_method, params) => ({
      result: {},
      raw: {
        length: 300_000,
        chunks: (async function* () {
          for (let n = 0; n < (params as number); n += 1) yield Buffer.alloc(100_000, n);
        })(),
      },
    }));
    const calls = [3, 2, 4].map((pieces) => world.client.call('m', pieces));
    for (const call of calls) call.catch(() => {});
    for (let n = 0; n < 20; n += 1) await world.drain();
    expect((await calls[0]!).raw.byteLength).toBe(300_000);
    await expect(calls[1]).rejects.toMatchObject({ code: 'EIO', message: 'the source changed while it was read' });
    await expect(calls[2]).rejects.toMatchObject({ code: 'EIO' });
  });
});
