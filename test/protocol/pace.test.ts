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
  ROUND_TRIP_MEMORY,
  SLIGHT_ROOM,
} from '../../src/protocol/limits';
import { Pace } from '../../src/protocol/pace';
import type { MuxStream } from '../../src/protocol/session-types';
import { Path, STEP } from './path';
import { ANSWER, RawPeer, settle, TCP, TestClock } from './world';

/** A pace of its own, and rounds in which a path with that rate delivers what the limit lets through. */
function paced(roundTripMs: number) {
  const clock = new TestClock();
  const pathTime = {
    shortest: roundTripMs,
    isStale: false,
    renewed: 0,
    renew() {
      this.renewed += 1;
    },
  };
  const pace = new Pace({ now: clock.now, pathTime });
  let sent = 0;
  return {
    pace,
    clock,
    pathTime,
    /** @param bytesPerMs what the path delivers; what is on its way beyond a round trip of it stands in a queue */
    round(bytesPerMs: number, held = true) {
      const bytes = pace.limit;
      pace.takeRoom(0, sent);
      sent += 1;
      if (held) pace.takeRoom(bytes, sent);
      clock.advance(Math.max(roundTripMs, bytes / bytesPerMs));
      pace.acknowledge(sent, 0);
    },
  };
}

describe('the pace of DATA', () => {
  it('lets one byte less than its limit grow, and nothing at the limit', () => {
    const { pace } = paced(10);
    expect([pace.takeRoom(PACE_START - 1, 1), pace.takeRoom(PACE_START, 1)]).toEqual([true, false]);
  });

  it('lets a stream with a little more go a bit beyond it, but not beyond what is kept for a resume', () => {
    const { pace, round } = paced(100);
    const room = (bytes: number) => pace.takeRoom(bytes, 1, true);
    expect([room(PACE_START + SLIGHT_ROOM - 1), room(PACE_START + SLIGHT_ROOM)]).toEqual([true, false]);
    for (let n = 0; n < 20; n += 1) round(1e6);
    expect([room(REPLAY_DATA_BYTES - 1), room(REPLAY_DATA_BYTES)]).toEqual([true, false]);
  });

  it('takes acknowledgements that come all at once for one round, which takes as long as the path', () => {
    const { pace, clock } = paced(20);
    for (let sent = 0; sent < 400; sent += 8) {
      for (let n = 0; n < 8; n += 1) pace.takeRoom(n * 65_536, sent + n);
      pace.takeRoom(8 * 65_536, sent + 8);
      clock.advance(20);
      // The first one makes room for a frame at once, and the others are in the same piece.
      pace.acknowledge(sent + 1, 7 * 65_536);
      pace.takeRoom(7 * 65_536, sent + 8);
      pace.takeRoom(8 * 65_536, sent + 9);
      for (let n = 2; n <= 9; n += 1) pace.acknowledge(sent + n, (9 - n) * 65_536);
    }
    // 512 KiB each 20 ms: twice what fills that path is the most it may be taken for.
    expect(pace.limit).toBeLessThanOrEqual((9 / 8) * 2.1 * 8 * 65_536);
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

  it('empties the path to half of what fills it when the round trip is an old one, and measures it then', () => {
    const { pace, pathTime, round } = paced(20);
    for (let n = 0; n < 20; n += 1) round(50_000);
    const full = pace.limit;
    pathTime.isStale = true;
    expect(pace.takeRoom(full - 1, 100)).toBe(true);
    expect(pace.takeRoom(full, 101)).toBe(false);
    pace.acknowledge(50, full / 2);
    expect([pace.takeRoom(full / 2, 101), pathTime.renewed]).toEqual([false, 0]);
    // Who has a little to say does not wait for that.
    expect(pace.takeRoom(full / 2, 101, true)).toBe(true);
    pace.acknowledge(70, full / 3);
    expect([pace.takeRoom(full / 3, 102), pathTime.renewed]).toEqual([true, 1]);
    expect(pace.takeRoom(full - 1, 103)).toBe(true);
  });

  it('begins anew on another transport', () => {
    const { pace, round } = paced(20);
    for (let n = 0; n < 20; n += 1) round(50_000);
    pace.reset();
    expect(pace.limit).toBe(PACE_START);
  });
});

/** Sends a stream that never ends. Answers a measure: bytes per millisecond that arrive of it, and a round trip beside it. */
async function saturate(path: Path, sender: Connection, receiver: Connection) {
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
  return async (time: number) => {
    const before = received;
    const trips: number[] = [];
    for (let n = 0; n < 5; n += 1) {
      void receiver.ping().then((ms) => trips.push(ms));
      await path.pass(time / 5);
    }
    return { rate: (received - before) / time, roundTrip: Math.max(...trips) };
  };
}

/** The same, once all has settled on a path with that delay. */
async function settled(path: Path, delayMs: number, sender: Connection, receiver: Connection) {
  const measure = await saturate(path, sender, receiver);
  await path.pass(40 * delayMs + 200);
  return measure(10 * delayMs + 50);
}

/**
 * Milliseconds: twice the idle round trip, and a bit. A frame ends before another begins, a path that is slow has the floor standing in
 * front of it, and time goes in steps.
 */
function shortTrip(delayMs: number, rate: number, step = STEP): number {
  return 2 * (2 * delayMs) + PACE_ALLOWANCE + (PACE_FLOOR + 64 * 1024) / rate + 3 * step;
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
      const found = await settled(path, delayMs, path.agent, path.client);
      expect(found.rate).toBeGreaterThan(0.9 * rate);
      expect(found.roundTrip).toBeLessThan(shortTrip(delayMs, rate));
    },
  );

  it('fills it in the other direction, too', async () => {
    const path = new Path({ delayMs: 40, bytesPerMs: 50_000 });
    const found = await settled(path, 40, path.client, path.agent);
    expect(found.rate).toBeGreaterThan(45_000);
  });
});

describe('a path that becomes longer under a live transport', () => {
  it.each([5_000, 20_000])(
    'is filled again once the round trips before are forgotten, at %i bytes per ms',
    async (rate) => {
      const options = { delayMs: 5, bytesPerMs: rate };
      const path = new Path(options);
      const measure = await saturate(path, path.agent, path.client);
      await path.pass(500);
      options.delayMs = 60;
      // What the round trip of before lets through is a good deal less.
      await path.pass(2_000, 2);
      expect((await measure(600)).rate).toBeLessThan(0.5 * rate);
      await path.pass(2.5 * ROUND_TRIP_MEMORY, 2);
      const after = await measure(600);
      expect(after.rate).toBeGreaterThan(0.9 * rate);
      expect(after.roundTrip).toBeLessThan(shortTrip(60, rate));
    },
  );

  it('is not taken for one by the queue that the limit makes, however long a stream lasts', async () => {
    const path = new Path({ delayMs: 20, bytesPerMs: 10_000 });
    const measure = await saturate(path, path.agent, path.client);
    await path.pass(6 * ROUND_TRIP_MEMORY, 2);
    const after = await measure(400);
    expect(after.rate).toBeGreaterThan(9_000);
    expect(after.roundTrip).toBeLessThan(shortTrip(20, 10_000));
  });
});
