import { describe, expect, it } from 'vitest';
import { encode } from '../../src/protocol/codec';
import type { Connection } from '../../src/protocol/connection';
import { FrameType, makeFrame } from '../../src/protocol/frame';
import {
  PACE_ALLOWANCE,
  PACE_FLOOR,
  PACE_FLOOR_SELDOM_ACK,
  PACE_ROUNDS,
  PACE_START,
  REPLAY_DATA_BYTES,
} from '../../src/protocol/limits';
import { Pace } from '../../src/protocol/pace';
import type { MuxStream } from '../../src/protocol/session-types';
import { Path, STEP } from './path';
import { ANSWER, RawPeer, settle, TCP, TestClock } from './world';

/** A pace of its own, and rounds in which a path with that rate delivers what the limit lets through. */
function paced(roundTripMs: number) {
  const clock = new TestClock();
  const pace = new Pace({ now: clock.now, shortestRoundTrip: () => roundTripMs });
  let sent = 0;
  return {
    pace,
    clock,
    /** @param bytesPerMs what the path delivers; what is on its way beyond a round trip of it stands in a queue */
    round(bytesPerMs: number, held = true) {
      const bytes = pace.limit;
      pace.hasRoom(0, sent);
      sent += 1;
      if (held) pace.hasRoom(bytes, sent);
      clock.advance(Math.max(roundTripMs, bytes / bytesPerMs));
      pace.acknowledge(bytes, sent, sent);
    },
  };
}

describe('the pace of DATA', () => {
  it('lets one byte less than its limit grow, and nothing at the limit', () => {
    const { pace } = paced(10);
    expect([pace.hasRoom(PACE_START - 1, 1), pace.hasRoom(PACE_START, 1)]).toEqual([true, false]);
  });

  it('grows only while it is what holds DATA up, and not beyond what is kept for a resume', () => {
    const { pace, round } = paced(100);
    for (let n = 0; n < 20; n += 1) round(1e6, false);
    expect(pace.limit).toBe(PACE_START);
    for (let n = 0; n < 20; n += 1) round(1e6);
    expect(pace.limit).toBe(REPLAY_DATA_BYTES);
  });

  it.each([
    [1, 100_000],
    [20, 50_000],
    [80, 12_500],
    [300, 2_000],
  ])('settles at what fills a path of %i ms and %i bytes per ms, and half as much again', (ms, rate) => {
    const { pace, round } = paced(ms);
    for (let n = 0; n < 20; n += 1) round(rate);
    expect(pace.limit).toBeCloseTo(Math.max(rate * (1.5 * ms + PACE_ALLOWANCE), PACE_FLOOR), -3);
  });

  it('follows a path that has become slower once the rounds before are forgotten, down to its floor and no further', () => {
    const { pace, round } = paced(20);
    for (let n = 0; n < 20; n += 1) round(50_000);
    const before = pace.limit;
    for (let n = 0; n < PACE_ROUNDS - 1; n += 1) round(100);
    expect(pace.limit).toBeGreaterThan(before * 0.9);
    for (let n = 0; n < 2; n += 1) round(100);
    expect(pace.limit).toBe(PACE_FLOOR);
  });

  it('is not told of a slow path by streams that had nothing to send for a while', () => {
    const { pace, clock, round } = paced(20);
    for (let n = 0; n < 20; n += 1) round(50_000);
    const before = pace.limit;
    for (let n = 0; n < 20; n += 1) {
      clock.advance(5_000);
      round(50_000);
    }
    expect(pace.limit).toBeCloseTo(before, -3);
  });

  it('keeps more on its way to a peer that acknowledges seldom', () => {
    const peer = (peerFeatures: string[]) => {
      const { connection, frames } = new RawPeer('agent', { peerFeatures });
      connection.onOpen((request) => {
        const stream = request.accept(ANSWER);
        stream.onData = () => {};
        stream.write(Buffer.alloc(4_000_000));
      });
      return { connection, frames };
    };
    const sentTo = async (peerFeatures: string[]) => {
      const { connection, frames } = peer(peerFeatures);
      const open = makeFrame(FrameType.OPEN, 0, 1, [encode({ window: 2 ** 24, request: TCP })]);
      connection.receive(Buffer.concat(open.buffers));
      await settle();
      return frames.filter(({ type }) => type === FrameType.DATA).length * 64 * 1024;
    };
    return Promise.all([
      expect(sentTo(['prompt-ack'])).resolves.toBe(PACE_START),
      expect(sentTo([])).resolves.toBe(PACE_FLOOR_SELDOM_ACK),
    ]);
  });

  it('begins anew on another transport', () => {
    const { pace, round } = paced(20);
    for (let n = 0; n < 20; n += 1) round(50_000);
    pace.reset();
    expect(pace.limit).toBe(PACE_START);
  });
});

/** Bytes per millisecond that arrive of one stream that never ends, and a round trip beside it, once all has settled. */
async function saturate(path: Path, delayMs: number, sender: Connection, receiver: Connection) {
  sender.onOpen((request) => {
    const stream = request.accept(ANSWER);
    const more = () => {
      while (stream.write(Buffer.alloc(64 * 1024)));
    };
    stream.onData = () => {};
    stream.onDrain = more;
    more();
  });
  const opening = receiver.open(TCP);
  let stream: MuxStream | undefined;
  void opening.then((opened) => {
    stream = opened;
  });
  // What it may send to begin with stands before the next ones on a slow path.
  for (let n = 0; !stream && n < 100; n += 1) await path.pass(10);
  stream = await opening;
  let received = 0;
  stream.onData = (chunk) => {
    received += chunk.byteLength;
    stream!.consumed(chunk.byteLength);
  };
  await path.pass(40 * delayMs + 200);
  const before = received;
  const trips: number[] = [];
  const time = 10 * delayMs + 50;
  for (let n = 0; n < 5; n += 1) {
    void receiver.ping().then((ms) => trips.push(ms));
    await path.pass(time / 5);
  }
  return { rate: (received - before) / time, roundTrip: Math.max(...trips) };
}

describe('one stream without an end', () => {
  it.each([
    [0.5, 100_000],
    [10, 100_000],
    [10, 5_000],
    [40, 50_000],
    [40, 2_000],
  ])(
    'fills a path of %d ms one way and %i bytes per ms, and a round trip beside it stays short',
    async (delayMs, rate) => {
      const path = new Path({ delayMs, bytesPerMs: rate });
      const found = await saturate(path, delayMs, path.agent, path.client);
      expect(found.rate).toBeGreaterThan(0.9 * rate);
      // A frame ends before another begins, a path that is slow has the floor standing in front of it, and time goes in steps.
      const frames = (PACE_FLOOR + 64 * 1024) / rate;
      expect(found.roundTrip).toBeLessThan(2 * (2 * delayMs) + PACE_ALLOWANCE + frames + 2 * STEP);
    },
  );

  it('fills it in the other direction, too', async () => {
    const path = new Path({ delayMs: 40, bytesPerMs: 50_000 });
    const found = await saturate(path, 40, path.client, path.agent);
    expect(found.rate).toBeGreaterThan(45_000);
  });
});
