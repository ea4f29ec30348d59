import { describe, expect, it } from 'vitest';
import { decodeObject, encode, encodeWithRaw } from '../../src/protocol/codec';
import { WindowBudget } from '../../src/protocol/credit';
import { FLAG_FIN, FrameType, u32, u64 } from '../../src/protocol/frame';
import { decodeGoaway, GoawayCode } from '../../src/protocol/goaway';
import {
  INITIAL_WINDOW,
  MAX_CALLS,
  MAX_DATA_PAYLOAD,
  MAX_FRAME_PAYLOAD,
  REPLAY_CONTROL_BYTES,
  SMALL_WINDOW,
} from '../../src/protocol/limits';
import type { MuxStream } from '../../src/protocol/session-types';
import { ANSWER, RawPeer, settle, TCP, World } from './world';

const open = (window = 1000) => encode({ window, request: TCP });
const call = (method = 'info') => encodeWithRaw({ method, params: {} });

/** What the connection says of its peer when it gives up. */
function complaint(peer: RawPeer): string | undefined {
  const goaway = peer.of(FrameType.GOAWAY)[0];
  if (!goaway) return undefined;
  const { code, text } = decodeGoaway(goaway.payload);
  expect(code).toBe(GoawayCode.PROTOCOL);
  expect(peer.connection.closed).toBe(true);
  return text;
}

async function acceptedPeer(): Promise<{ peer: RawPeer; stream: MuxStream }> {
  const peer = new RawPeer('agent');
  let stream: MuxStream | undefined;
  peer.connection.onOpen((request) => {
    stream = request.accept(ANSWER);
    stream.onData = () => {};
  });
  await peer.send(FrameType.OPEN, 1, open());
  return { peer, stream: stream! };
}

describe('limits of the wire', () => {
  it('takes DATA of 64 KiB, and nothing more', async () => {
    const { peer } = await acceptedPeer();
    await peer.send(FrameType.DATA, 1, Buffer.alloc(MAX_DATA_PAYLOAD));
    expect(complaint(peer)).toBeUndefined();
    await peer.send(FrameType.DATA, 1, Buffer.alloc(MAX_DATA_PAYLOAD + 1));
    expect(complaint(peer)).toBe('DATA of 65537 bytes, the limit is 65536');
  });

  it('takes as much as the window, and not a byte more', async () => {
    const { peer } = await acceptedPeer();
    expect(decodeObject(peer.of(FrameType.ACCEPT)[0]!.payload, '').window).toBe(INITIAL_WINDOW);
    for (let sent = 0; sent < INITIAL_WINDOW; sent += MAX_DATA_PAYLOAD) {
      await peer.send(FrameType.DATA, 1, Buffer.alloc(MAX_DATA_PAYLOAD));
    }
    expect(complaint(peer)).toBeUndefined();
    await peer.send(FrameType.DATA, 1, Buffer.alloc(1));
    expect(complaint(peer)).toBe('DATA of 1 bytes with a credit of 0');
  });

  it('answers as many calls at once as allowed, and not one more', async () => {
    const peer = new RawPeer('agent');
    peer.connection.onCall(() => new Promise(() => {}));
    for (let id = 1; id <= MAX_CALLS; id += 1) peer.connection.receive(frame(FrameType.CALL, id, call()));
    await settle();
    expect(complaint(peer)).toBeUndefined();
    await peer.send(FrameType.CALL, MAX_CALLS + 1, call());
    expect(complaint(peer)).toBe('more than 1024 calls in flight');
  });

  it('has as many calls in flight as allowed; the next one waits for an answer', async () => {
    const peer = new RawPeer('client');
    const calls = Array.from({ length: MAX_CALLS + 1 }, () => peer.connection.call('info', {}));
    await settle();
    expect(peer.of(FrameType.CALL).length).toBe(MAX_CALLS);
    await peer.send(FrameType.REPLY, peer.of(FrameType.CALL)[5]!.id, encodeWithRaw({ result: 'five' }));
    expect((await calls[5]!).result).toBe('five');
    expect(peer.of(FrameType.CALL).length).toBe(MAX_CALLS + 1);
    for (const waiting of calls) waiting.catch(() => {});
    peer.connection.end();
  });

  it('refuses a call that does not fit one frame', async () => {
    const { client } = new World();
    const overhead = Buffer.concat(encodeWithRaw({ method: 'm', params: {} })).byteLength;
    client.call('m', {}, { raw: Buffer.alloc(MAX_FRAME_PAYLOAD - overhead) }).catch(() => {});
    const tooLarge = client.call('m', {}, { raw: Buffer.alloc(MAX_FRAME_PAYLOAD - overhead + 1) });
    await expect(tooLarge).rejects.toMatchObject({ code: 'CALL_TOO_LARGE' });
    client.end();
  });

  it('refuses one stream more than it serves', async () => {
    const peer = new RawPeer('agent', { maxStreams: 3 });
    peer.connection.onOpen((request) => void request.accept(ANSWER));
    for (const id of [1, 3, 5, 7]) await peer.send(FrameType.OPEN, id, open());
    expect(peer.of(FrameType.ACCEPT).map(({ id }) => id)).toEqual([1, 3, 5]);
    expect(peer.of(FrameType.RESET).map(({ id }) => id)).toEqual([7]);
    await peer.send(FrameType.RESET, 3, u32(1));
    await peer.send(FrameType.OPEN, 9, open());
    expect(peer.of(FrameType.ACCEPT).at(-1)?.id).toBe(9);
  });

  it('grants small windows once a session has been granted much, and none when nothing is left', async () => {
    const budget = new WindowBudget(4 * INITIAL_WINDOW);
    const peer = new RawPeer('agent', { budget });
    peer.connection.onOpen((request) => void request.accept(ANSWER));
    const small = INITIAL_WINDOW / SMALL_WINDOW;
    for (let n = 0; n < 3 + small + 1; n += 1) await peer.send(FrameType.OPEN, 2 * n + 1, open());
    const windows = peer.of(FrameType.ACCEPT).map(({ payload }) => decodeObject(payload, '').window);
    expect(windows.slice(0, 4)).toEqual([INITIAL_WINDOW, INITIAL_WINDOW, INITIAL_WINDOW, SMALL_WINDOW]);
    expect(windows.length).toBe(3 + small);
    expect(peer.of(FrameType.RESET).length).toBe(1);
    expect(budget.used).toBe(budget.limit);
    peer.connection.end();
    expect(budget.used).toBe(0);
  });

  it('is told of 64 frames at once, of 63 after 100 ms', async () => {
    const peer = new RawPeer('agent');
    for (let n = 0; n < 63; n += 1) peer.connection.receive(frame(FrameType.EVENT, 0, encodeWithRaw({ name: 'x' })));
    await settle();
    expect(peer.of(FrameType.ACK).length).toBe(0);
    peer.clock.advance(100);
    await settle();
    expect(peer.of(FrameType.ACK).map(({ payload }) => payload)).toEqual([u64(63)]);
    for (let n = 0; n < 64; n += 1) peer.connection.receive(frame(FrameType.EVENT, 0, encodeWithRaw({ name: 'x' })));
    await settle();
    expect(peer.of(FrameType.ACK).at(-1)!.payload).toEqual(u64(127));
    expect(peer.clock.pending).toBe(0);
  });

  it('keeps few control frames when a thousand answers of 60 kB are not fetched, and delivers them all later', async () => {
    const world = new World();
    world.agent.onCall(async () => ({ result: null, raw: Buffer.alloc(60_000, 1) }));
    const calls = Array.from({ length: MAX_CALLS + 10 }, () => world.client.call('m', {}));
    await settle();
    world.deliver('toAgent', 1e6);
    await settle();
    expect(world.agent.stats.controlBytes).toBeGreaterThan(REPLAY_CONTROL_BYTES);
    expect(world.agent.stats.controlBytes).toBeLessThan(REPLAY_CONTROL_BYTES + 300_000);
    await world.drain();
    world.clock.advance(100);
    await world.drain();
    const answers = await Promise.all(calls);
    expect(answers.every(({ raw }) => raw.byteLength === 60_000)).toBe(true);
    expect(world.client.stats).toMatchObject({ streams: 0, calls: 0, windowSum: 0 });
  });

  it('starts no further handler while answers are not fetched', async () => {
    const world = new World();
    let started = 0;
    world.agent.onCall(async () => {
      started += 1;
      return { result: null, raw: Buffer.alloc(60_000) };
    });
    const calls: Promise<unknown>[] = [];
    for (let n = 0; n < 100; n += 1) {
      calls.push(world.client.call('m', {}));
      await settle();
      world.deliver('toAgent', 1e6);
      await settle();
    }
    expect(started).toBeGreaterThan(15);
    expect(started).toBeLessThan(25);
    await world.drain();
    world.clock.advance(100);
    await world.drain();
    await Promise.all(calls);
    expect(started).toBe(100);
  });

  it('says false to events nobody fetches', async () => {
    const { client } = new World();
    client.detach();
    let sent = 0;
    while (client.emitEvent('x', Buffer.alloc(10_000))) sent += 1;
    expect(sent).toBeGreaterThan(100);
    expect(sent).toBeLessThan(110);
  });

  it('refuses DATA after FIN, DATA before ACCEPT, and a credit that cannot be', async () => {
    const { peer } = await acceptedPeer();
    await peer.send(FrameType.DATA, 1, Buffer.alloc(1), FLAG_FIN);
    await peer.send(FrameType.DATA, 1, Buffer.alloc(1));
    expect(complaint(peer)).toBe('DATA on stream 1 after its end');

    const early = new RawPeer('agent');
    early.connection.onOpen(() => {});
    await early.send(FrameType.OPEN, 1, open());
    await early.send(FrameType.DATA, 1, Buffer.alloc(1));
    expect(complaint(early)).toBe('DATA on stream 1 before its ACCEPT');

    const { peer: generous } = await acceptedPeer();
    await generous.send(FrameType.WINDOW, 1, u32(2 ** 31 - 1000));
    expect(complaint(generous)).toBeUndefined();
    await generous.send(FrameType.WINDOW, 1, u32(1));
    expect(complaint(generous)).toBe('stream 1 was given a credit of 2147483649');
  });
});

function frame(type: number, id: number, parts: Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  return Buffer.concat([Buffer.of(1, type, 0, 0), u32(id, length), ...parts]);
}
