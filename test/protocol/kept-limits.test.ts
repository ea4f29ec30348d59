import { describe, expect, it } from 'vitest';
import { decodeObject, encode, encodeWithRaw } from '../../src/protocol/codec';
import { WindowBudget } from '../../src/protocol/credit';
import { FLAG_STREAM, type Frame, FrameType, HEADER_BYTES, isSequenced, u32, u64 } from '../../src/protocol/frame';
import { decodeGoaway, GoawayCode } from '../../src/protocol/goaway';
import {
  ACK_BYTES,
  CALL_LIMIT,
  INITIAL_WINDOW,
  MAX_FRAME_PAYLOAD,
  MAX_INLINE_REPLY,
  MAX_REPLY,
  MAX_STREAM_ID,
  MAX_WAITING_PONGS,
  OPEN_LIMIT,
  REPLAY_CONTROL_BYTES,
  REPLAY_CONTROL_LIMIT,
  REPLAY_DATA_BYTES,
  SESSION_WINDOW_SUM,
  SMALL_REPLY,
  SMALL_WINDOW,
  TOTAL_WINDOW_SUM,
} from '../../src/protocol/limits';
import { Outbox } from '../../src/protocol/outbox';
import { Pace } from '../../src/protocol/pace';
import { ANSWER, RawPeer, settle, TCP } from './world';

const sizeOf = ({ payload }: Frame) => payload.byteLength + HEADER_BYTES;
const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
const open = (window = 1000) => encode({ window, request: TCP });
const event = (bytes: number) => {
  const overhead = Buffer.concat(encodeWithRaw({ name: 'x' })).byteLength;
  return Buffer.concat(encodeWithRaw({ name: 'x' }, Buffer.alloc(bytes - overhead)));
};

/** What the connection says of its peer when it gives up; undefined while it does not. */
function complaint({ connection, of }: RawPeer, peer: RawPeer): string | undefined {
  const [goaway] = of.call(peer, FrameType.GOAWAY);
  if (!goaway) return undefined;
  const { code, text } = decodeGoaway(goaway.payload);
  expect([code, connection.closed]).toEqual([GoawayCode.PROTOCOL, true]);
  return text;
}

describe('frames', () => {
  it('have a payload of up to 1 MiB: one byte more ends the session, with a text', async () => {
    const peer = new RawPeer('agent');
    await peer.send(FrameType.EVENT, 0, event(MAX_FRAME_PAYLOAD));
    expect(complaint(peer, peer)).toBeUndefined();
    await peer.send(FrameType.EVENT, 0, Buffer.alloc(MAX_FRAME_PAYLOAD + 1));
    expect(complaint(peer, peer)).toBe('frame of type 10 with 1048577 bytes, the limit is 1048576');
  });

  it('of a type that is not known are skipped, and counted', async () => {
    const peer = new RawPeer('agent');
    await peer.send(15, 0, Buffer.alloc(10));
    await peer.send(255, 7, Buffer.alloc(10));
    expect([complaint(peer, peer), peer.connection.received]).toEqual([undefined, 2]);
  });

  it('are acknowledged at 64 KiB, not a byte earlier', async () => {
    const peer = new RawPeer('agent');
    await peer.send(FrameType.EVENT, 0, event(ACK_BYTES - 1));
    expect(peer.of(FrameType.ACK)).toEqual([]);
    await peer.send(15, 0, Buffer.alloc(1));
    expect(peer.of(FrameType.ACK).map(({ payload }) => payload)).toEqual([u64(2)]);
  });

  it('PING are answered sixteen at a time by a transport that takes nothing', async () => {
    for (const [pings, answers] of [
      [MAX_WAITING_PONGS, MAX_WAITING_PONGS],
      [MAX_WAITING_PONGS + 1, MAX_WAITING_PONGS],
    ] as const) {
      const peer = new RawPeer('agent');
      await settle();
      for (let n = 0; n < pings; n += 1) void peer.send(FrameType.PING, 0, u64(n));
      await settle();
      expect(peer.of(FrameType.PONG)).toHaveLength(answers);
    }
  });
});

describe('ids of streams', () => {
  it.each([
    ['client', [1, 3]],
    ['agent', [2, 4]],
  ] as const)('of a %s are used up to the last one; one more ends the session', async (role, ids) => {
    const peer = new RawPeer(role, { lastStreamId: ids[1] });
    const reasons: unknown[] = [];
    peer.connection.onClose((reason) => reasons.push(reason));
    for (const _ of ids) peer.connection.open(TCP).catch(() => {});
    await settle();
    expect([peer.of(FrameType.OPEN).map(({ id }) => id), peer.connection.closed]).toEqual([ids, false]);
    await expect(peer.connection.open(TCP)).rejects.toMatchObject({ code: 'ENOBUFS' });
    await settle();
    expect(peer.of(FrameType.OPEN)).toHaveLength(2);
    expect(decodeGoaway(peer.of(FrameType.GOAWAY)[0]!.payload).code).toBe(GoawayCode.IDS_USED);
    // With a reason, so that a link that outlives its sessions makes another one.
    expect(reasons).toMatchObject([{ code: 'LINK_LOST', message: 'the session has used all its stream ids' }]);
  });

  it('are used up for answers, too', async () => {
    const peer = new RawPeer('agent', { lastStreamId: 2 });
    peer.connection.onCall(async () => ({ result: null, raw: Buffer.alloc(MAX_INLINE_REPLY + 1) }));
    const call = encodeWithRaw({ method: 'info', params: {} });
    await peer.send(FrameType.CALL, 1, call);
    expect([peer.of(FrameType.REPLY)[0]!.flags, peer.connection.closed]).toEqual([FLAG_STREAM, false]);
    await peer.send(FrameType.CALL, 2, call);
    expect([
      peer.connection.closed,
      peer.of(FrameType.REPLY).filter(({ flags }) => flags === FLAG_STREAM).length,
    ]).toEqual([true, 1]);
    expect(decodeGoaway(peer.of(FrameType.GOAWAY)[0]!.payload).code).toBe(GoawayCode.IDS_USED);
  });

  it('may be the highest there is, and none is taken after it', async () => {
    const peer = new RawPeer('agent');
    peer.connection.onOpen((request) => request.accept(ANSWER));
    await peer.send(FrameType.OPEN, MAX_STREAM_ID, open());
    expect([complaint(peer, peer), peer.of(FrameType.ACCEPT)[0]!.id]).toEqual([undefined, MAX_STREAM_ID]);
    await peer.send(FrameType.OPEN, 1, open());
    expect(complaint(peer, peer)).toBe('stream id 1 cannot be opened');
  });

  it.each([
    ['of this end', 2, 'stream id 2 cannot be opened'],
    ['that was used', 1, 'stream id 1 cannot be opened'],
    ['zero', 0, 'stream id 0 cannot be opened'],
  ])('%s cannot be opened', async (_, id, text) => {
    const peer = new RawPeer('agent');
    peer.connection.onOpen((request) => void request.accept(ANSWER));
    await peer.send(FrameType.OPEN, 1, open());
    expect(complaint(peer, peer)).toBeUndefined();
    await peer.send(FrameType.OPEN, id, open());
    expect(complaint(peer, peer)).toBe(text);
  });

  it('mean nothing once they are closed, and are an error when they never were', async () => {
    const peer = new RawPeer('agent');
    peer.connection.onOpen((request) => void request.refuse({ code: 'ECONNREFUSED' }));
    await peer.send(FrameType.OPEN, 3, open());
    await peer.send(FrameType.DATA, 3, Buffer.alloc(1));
    await peer.send(FrameType.DATA, 1, Buffer.alloc(1));
    expect(complaint(peer, peer)).toBeUndefined();
    await peer.send(FrameType.DATA, 5, Buffer.alloc(1));
    expect(complaint(peer, peer)).toBe('frame of type 4 for stream 5, which was never opened');
  });
});

describe('windows', () => {
  it('are big until those of a session add up to 32 MiB, and small from then on', async () => {
    const peer = new RawPeer('agent');
    peer.connection.onOpen((request) => void request.accept(ANSWER));
    const big = SESSION_WINDOW_SUM / INITIAL_WINDOW;
    for (let n = 0; n <= big; n += 1) await peer.send(FrameType.OPEN, 2 * n + 1, open());
    const windows = peer.of(FrameType.ACCEPT).map(({ payload }) => decodeObject(payload, '').window);
    expect(windows.slice(0, big).every((window) => window === INITIAL_WINDOW)).toBe(true);
    expect(windows[big]).toBe(SMALL_WINDOW);
  });

  it('of one process stay within 128 MiB, of which the last quarter is for small ones', () => {
    const budget = new WindowBudget();
    const threeQuarters = TOTAL_WINDOW_SUM * 0.75;
    expect(budget.take(threeQuarters + 1)).toBe(false);
    expect(budget.take(threeQuarters)).toBe(true);
    expect(budget.take(SMALL_WINDOW + 1)).toBe(false);
    for (let left = TOTAL_WINDOW_SUM / 4; left > 0; left -= SMALL_WINDOW) expect(budget.take(SMALL_WINDOW)).toBe(true);
    expect(budget.take(1)).toBe(false);
    expect(budget.used).toBe(TOTAL_WINDOW_SUM);
  });
});

describe('answers', () => {
  const answering = async (bytes: number) => {
    const peer = new RawPeer('agent');
    const overhead = Buffer.concat(encodeWithRaw({ result: null })).byteLength;
    peer.connection.onCall(async () => ({ result: null, raw: Buffer.alloc(bytes - overhead) }));
    return peer;
  };
  const isStream = (peer: RawPeer) => peer.of(FrameType.REPLY).map(({ flags }) => flags === FLAG_STREAM);
  const call = encodeWithRaw({ method: 'm', params: {} });

  it('of 64 KiB come in one frame, of a byte more as a stream', async () => {
    for (const [bytes, streamed] of [
      [MAX_INLINE_REPLY, false],
      [MAX_INLINE_REPLY + 1, true],
    ] as const) {
      const peer = await answering(bytes);
      await peer.send(FrameType.CALL, 1, call);
      expect(isStream(peer)).toEqual([streamed]);
    }
  });

  it('of 1 KiB do so while control frames pile up', async () => {
    for (const [bytes, streamed] of [
      [SMALL_REPLY, false],
      [SMALL_REPLY + 1, true],
    ] as const) {
      const peer = await answering(bytes);
      let go = () => {};
      const overhead = Buffer.concat(encodeWithRaw({ result: null })).byteLength;
      const gate = new Promise<void>((resolve) => {
        go = resolve;
      });
      peer.connection.onCall(async () => {
        await gate;
        return { result: null, raw: Buffer.alloc(bytes - overhead) };
      });
      await peer.send(FrameType.CALL, 1, call);
      while (peer.connection.emitEvent('x', Buffer.alloc(50_000)));
      expect(peer.connection.stats.controlBytes).toBeGreaterThanOrEqual(REPLAY_CONTROL_BYTES);
      go();
      await settle();
      expect(isStream(peer)).toEqual([streamed]);
    }
  });

  it('of 2 GiB and 1 MiB are collected, one byte more is too much', async () => {
    const peer = new RawPeer('client');
    const outcomes: unknown[] = [];
    for (let n = 0; n < 2; n += 1) peer.connection.call('m', {}).catch((error) => outcomes.push(error.code));
    await settle();
    const [first, second] = peer.of(FrameType.CALL);
    await peer.send(FrameType.REPLY, first!.id, [u32(2), u64(MAX_REPLY)], FLAG_STREAM);
    expect(outcomes).toEqual([]);
    await peer.send(FrameType.REPLY, second!.id, [u32(4), u64(MAX_REPLY + 1)], FLAG_STREAM);
    expect(outcomes).toEqual(['EFBIG']);
    peer.connection.end();
  });
});

describe('control frames that are kept', () => {
  it('let the next open and call wait at 1 MiB, and go when some are acknowledged', async () => {
    const peer = new RawPeer('client');
    const overhead = () => peer.connection.stats.controlBytes;
    const fill = (bytes: number) => peer.connection.emitEvent('x', Buffer.alloc(bytes));
    fill(500_000);
    const frame = overhead() - 500_000;
    fill(REPLAY_CONTROL_BYTES - 1 - overhead() - frame);
    expect(overhead()).toBe(REPLAY_CONTROL_BYTES - 1);
    // One byte of room is room: the call goes, and what comes after it waits.
    peer.connection.call('m', {}).catch(() => {});
    peer.connection.call('m', {}).catch(() => {});
    peer.connection.open(TCP).catch(() => {});
    await settle();
    expect([peer.of(FrameType.CALL).length, peer.of(FrameType.OPEN).length]).toEqual([1, 0]);
    await peer.send(FrameType.ACK, 0, u64(1));
    expect([peer.of(FrameType.CALL).length, peer.of(FrameType.OPEN).length]).toEqual([2, 1]);
    peer.connection.end();
  });

  it('end the session beyond 16 MiB', () => {
    const complaints: string[] = [];
    const outbox = new Outbox({
      receipt: () => u64(0),
      pace: new Pace({ now: () => 0, pathTime: { shortest: undefined, isStale: false, renew: () => {} } }),
      onData: () => {},
      onRoom: () => {},
      onOverflow: ({ message }) => complaints.push(message),
    });
    outbox.sendControl(FrameType.EVENT, 0, 0, []);
    const header = outbox.controlBytes;
    for (let n = 0; n < 15; n += 1) outbox.sendControl(FrameType.EVENT, 0, 0, [Buffer.alloc(MAX_FRAME_PAYLOAD)]);
    outbox.sendControl(FrameType.EVENT, 0, 0, [Buffer.alloc(REPLAY_CONTROL_LIMIT - outbox.controlBytes - header)]);
    expect([outbox.controlBytes, complaints]).toEqual([REPLAY_CONTROL_LIMIT, []]);
    outbox.sendControl(FrameType.EVENT, 0, 0, []);
    expect(complaints).toEqual(['control frames are not acknowledged']);
  });
});

describe('DATA kept for a resume', () => {
  it('is 32 MiB: with one byte less a frame more is sent, with all of it none', async () => {
    const peer = new RawPeer('agent');
    peer.connection.onOpen((request) => {
      const stream = request.accept(ANSWER);
      stream.onData = () => {};
      stream.write(Buffer.alloc(4 * REPLAY_DATA_BYTES));
    });
    await peer.send(FrameType.OPEN, 1, open(2 ** 30));
    const acknowledged = () => peer.frames.filter(({ type }) => isSequenced(type)).length;
    // Each answer comes as soon as what it answers has left, so the pace gets as high as it may.
    for (let last = 0; last < acknowledged() && peer.of(FrameType.DATA).length < 600; ) {
      last = acknowledged();
      await peer.send(FrameType.ACK, 0, u64(last));
    }
    // Less than a batch is what the last answer let through.
    const before = acknowledged();
    await peer.send(FrameType.ACK, 0, u64(before - 1));
    const sizes = () =>
      peer.frames
        .filter(({ type }) => isSequenced(type))
        .slice(before - 1)
        .map(sizeOf);
    expect(sum(sizes())).toBeGreaterThanOrEqual(REPLAY_DATA_BYTES);
    expect(sum(sizes().slice(0, -1))).toBeLessThan(REPLAY_DATA_BYTES);
    const held = sizes().length;
    await peer.send(FrameType.ACK, 0, u64(before));
    expect(sizes().length).toBe(held + 1);
    peer.connection.end();
  });
});

describe('time limits', () => {
  it('of a call: 30 s without an answer', async () => {
    const peer = new RawPeer('client');
    const outcomes: unknown[] = [];
    peer.connection.call('info', {}).catch((error) => outcomes.push(error.code));
    await settle();
    peer.clock.advance(CALL_LIMIT - 1);
    await settle();
    expect([outcomes, peer.of(FrameType.CANCEL).length]).toEqual([[], 0]);
    peer.clock.advance(1);
    await settle();
    expect([outcomes, peer.of(FrameType.CANCEL).length]).toEqual([['CALL_TIMEOUT'], 1]);
  });

  it('of an open: 140 s, longer than any kernel tries', async () => {
    const peer = new RawPeer('client');
    const outcomes: unknown[] = [];
    peer.connection.open(TCP).catch((error) => outcomes.push(error.code));
    await settle();
    peer.clock.advance(OPEN_LIMIT - 1);
    await settle();
    expect(outcomes).toEqual([]);
    peer.clock.advance(1);
    await settle();
    expect([outcomes, peer.of(FrameType.RESET).length]).toEqual([['ETIMEDOUT'], 1]);
  });
});
