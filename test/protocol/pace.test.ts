import { describe, expect, it } from 'vitest';
import { encode } from '../../src/protocol/codec';
import { FrameType, u64 } from '../../src/protocol/frame';
import { PACE_FLOOR, PACE_START, REPLAY_DATA_BYTES } from '../../src/protocol/limits';
import { Pace } from '../../src/protocol/pace';
import { ANSWER, RawPeer, settle, TCP } from './world';

describe('the pace of DATA', () => {
  it('lets one byte less than its limit grow, and nothing at the limit', () => {
    const pace = new Pace();
    expect([pace.hasRoom(PACE_START - 1), pace.hasRoom(PACE_START)]).toEqual([true, false]);
  });

  it('grows only while it is what holds DATA up, and not beyond what is kept for a resume', () => {
    const pace = new Pace();
    pace.adjust(false);
    expect(pace.limit).toBe(PACE_START);
    for (let n = 0; n < 20; n += 1) {
      pace.hasRoom(pace.limit);
      pace.adjust(false);
    }
    expect(pace.limit).toBe(REPLAY_DATA_BYTES);
  });

  it('shrinks while round trips are long, down to its floor, and begins anew on another transport', () => {
    const pace = new Pace();
    pace.adjust(true);
    expect(pace.limit).toBeLessThan(PACE_START);
    for (let n = 0; n < 20; n += 1) pace.adjust(true);
    expect(pace.limit).toBe(PACE_FLOOR);
    pace.reset();
    expect(pace.limit).toBe(PACE_START);
  });

  it('is slowed by answers that come late: what is on its way stays near the floor, and goes on with each acknowledgement', async () => {
    const peer = new RawPeer('client');
    const opening = peer.connection.open(TCP);
    await settle();
    const { id: stream } = peer.of(FrameType.OPEN)[0]!;
    await peer.send(FrameType.ACCEPT, stream, encode({ window: 2 ** 30, answer: ANSWER }));
    const opened = await opening;
    // The ping at the start is answered within a millisecond, all later ones after 80.
    peer.clock.advance(1);
    await peer.send(FrameType.PONG, 0, peer.of(FrameType.PING)[0]!.payload);
    for (let n = 0; n < 60; n += 1) opened.write(Buffer.alloc(1_000_000));
    await settle();
    const acknowledged = () =>
      peer.frames.filter(({ type }) => type >= FrameType.OPEN && type <= FrameType.EVENT).length;
    let [pongs, before] = [1, 0];
    const steps: number[] = [];
    for (let n = 0; n < 30; n += 1) {
      peer.clock.advance(80);
      for (const ping of peer.of(FrameType.PING).slice(pongs)) {
        pongs += 1;
        await peer.send(FrameType.PONG, 0, ping.payload);
      }
      before = peer.of(FrameType.DATA).length;
      await peer.send(FrameType.ACK, 0, u64(acknowledged()));
      steps.push((peer.of(FrameType.DATA).length - before) * 64 * 1024);
    }
    expect(steps[0]).toBeGreaterThan(PACE_FLOOR + 128 * 1024);
    expect(steps.at(-1)).toBeLessThanOrEqual(PACE_FLOOR + 64 * 1024);
    expect(steps.at(-1)).toBeGreaterThanOrEqual(PACE_FLOOR - 64 * 1024);
  });
});
