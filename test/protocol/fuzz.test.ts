import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encode, encodeWithRaw } from '../../src/protocol/codec';
import { WindowBudget } from '../../src/protocol/credit';
import { FrameType, makeFrame, u32, u64 } from '../../src/protocol/frame';
import { PACE_START, TOTAL_WINDOW_SUM } from '../../src/protocol/limits';
import { ANSWER, RawPeer, settle, TCP } from './world';

/** A connection with something of everything going on. */
async function busyConnection(role: 'client' | 'agent', budget: WindowBudget): Promise<RawPeer> {
  const peer = new RawPeer(role, { budget });
  const { connection } = peer;
  connection.onOpen((request) => {
    const stream = request.accept(ANSWER);
    stream.onData = (chunk) => {
      stream.write(chunk);
      stream.consumed(chunk.byteLength);
    };
    stream.onEnd = () => stream.end();
  });
  connection.onCall(async (_method, params) => ({ result: params, raw: Buffer.alloc(70_000) }));
  for (let n = 0; n < 3; n += 1) connection.open(TCP).catch(() => {});
  for (let n = 0; n < 3; n += 1) connection.call('m', {}).catch(() => {});
  await settle();
  return peer;
}

const id = fc.oneof(fc.nat(12), fc.nat(0xffff_ffff));
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constant(encode({ window: 262_144, request: TCP })),
  fc.constant(encode({ window: 100, answer: ANSWER })),
  fc.constant(Buffer.concat(encodeWithRaw({ method: 'm', params: {} }))),
  fc.constant(Buffer.concat(encodeWithRaw({ result: 1 }))),
  fc.constant(Buffer.concat(encodeWithRaw({ error: { code: 5 } }))),
  fc.constant(Buffer.concat(encodeWithRaw({ name: 'event' }))),
  fc.nat(20).map((count) => u64(count)),
  fc.nat(0xffff_ffff).map((count) => u32(count)),
  fc.tuple(fc.nat(12), fc.nat(1000)).map(([stream, length]) => Buffer.concat([u32(stream), u64(length)])),
  fc.constant(Buffer.alloc(65_536)),
);
const validFrame = fc
  .record({ type: fc.integer({ min: 1, max: 16 }), flags: fc.nat(3), id, payload })
  .map((frame) => Buffer.concat(makeFrame(frame.type, frame.flags, frame.id, [frame.payload]).buffers));

async function feed(role: 'client' | 'agent', chunks: Uint8Array[]): Promise<void> {
  const budget = new WindowBudget();
  const peer = await busyConnection(role, budget);
  for (const chunk of chunks) {
    peer.connection.receive(chunk);
    await settle();
    expect(peer.connection.stats.controlBytes).toBeLessThan(20e6);
    expect(budget.used).toBeLessThanOrEqual(TOTAL_WINDOW_SUM);
  }
  // A peer that broke the rules was told so; in any case nothing outlives the session.
  peer.connection.end();
  await settle();
  expect(peer.connection.stats).toMatchObject({ streams: 0, calls: 0, controlBytes: 0, windowSum: 0 });
  expect([budget.used, peer.clock.pending]).toEqual([0, 0]);
}

const numRuns = Number(process.env.MIRRORD_PROPERTY_RUNS ?? 300);

describe('a peer that keeps to no rule', () => {
  for (const role of ['client', 'agent'] as const) {
    it(`cannot throw out of the ${role} nor leave anything behind with random bytes`, async () => {
      const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 10 });
      await fc.assert(
        fc.asyncProperty(chunks, (bytes) => feed(role, bytes)),
        { numRuns },
      );
    });

    it(`cannot throw out of the ${role} nor leave anything behind with frames in impossible orders`, async () => {
      const frames = fc.array(validFrame, { maxLength: 30 });
      await fc.assert(
        fc.asyncProperty(frames, (list) => feed(role, list)),
        { numRuns },
      );
    });
  }

  it('makes the other end keep little by asking without reading', async () => {
    const peer = new RawPeer('agent');
    peer.connection.detach();
    const written: number[] = [];
    peer.connection.attach((buffers) => {
      written.push(buffers.length);
      return false;
    });
    peer.connection.onOpen((request) => void request.refuse({ code: 'ECONNREFUSED', message: 'x'.repeat(1000) }));
    const ping = Buffer.concat(makeFrame(FrameType.PING, 0, 0, [u64(1)]).buffers);
    for (let n = 0; n < 100_000; n += 1) peer.connection.receive(ping);
    await settle();
    // One batch left, then the transport was full: sixteen answers wait, the others are dropped.
    expect(written.reduce((sum, count) => sum + count, 0)).toBeLessThan(100);
    for (let stream = 1; !peer.connection.closed && stream < 100_000; stream += 2) {
      const open = encode({ window: 1, request: TCP });
      peer.connection.receive(Buffer.concat(makeFrame(FrameType.OPEN, 0, stream, [open]).buffers));
      if (stream % 1001 === 0) await settle();
    }
    expect(peer.connection.closed).toBe(true);
  });

  it('that answers pings and never acknowledges is sent no more DATA than it was trusted with to begin with', async () => {
    const peer = new RawPeer('client');
    const opening = peer.connection.open(TCP);
    await settle();
    const { id: stream } = peer.of(FrameType.OPEN)[0]!;
    await peer.send(FrameType.ACCEPT, stream, encode({ window: 2 ** 30, answer: ANSWER }));
    const opened = await opening;
    for (let n = 0; n < 50; n += 1) opened.write(Buffer.alloc(1_000_000));
    await settle();
    const sent = () => peer.of(FrameType.DATA).reduce((sum, { payload }) => sum + payload.byteLength, 0);
    for (let n = 0; n < 10; n += 1) {
      const ping = peer.of(FrameType.PING).at(-1)!;
      peer.clock.advance(100);
      await peer.send(FrameType.PONG, 0, ping.payload);
    }
    expect(sent()).toBeGreaterThanOrEqual(PACE_START - 64 * 1024);
    expect(sent()).toBeLessThanOrEqual(PACE_START + 64 * 1024);
    const before = sent();
    await peer.send(FrameType.ACK, 0, u64(peer.frames.filter(({ type }) => type <= FrameType.EVENT).length));
    expect(sent()).toBeGreaterThan(before);
  });
});
