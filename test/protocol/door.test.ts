import type { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type AcceptorOptions, SessionAcceptor } from '../../src/protocol/acceptor';
import { encode } from '../../src/protocol/codec';
import type { Connection } from '../../src/protocol/connection';
import { FrameDecoder } from '../../src/protocol/decoder';
import { type Frame, FrameType, makeFrame } from '../../src/protocol/frame';
import { decodeGoaway, GoawayCode } from '../../src/protocol/goaway';
import { decodeAgentHello, ownHello } from '../../src/protocol/hello';
import {
  CLOSE_LIMIT,
  GRACE,
  HELLO_LIMIT,
  MAX_GREETING,
  MAX_HELLO_PAYLOAD,
  MAX_PARKED,
  MAX_SESSIONS,
  PARKED_CHECK,
} from '../../src/protocol/limits';
import { memoryPair } from '../../src/tunnel/transports/memory';
import { ANSWER, TCP, TestClock } from './world';

const turns = async () => {
  for (let n = 0; n < 20; n += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** A client of bare frames at the agent's door. */
class Caller {
  readonly frames: Frame[] = [];
  closed = false;

  constructor(readonly duplex: Duplex) {
    const decoder = new FrameDecoder();
    duplex.on('data', (chunk) => {
      decoder.push(chunk);
      for (let frame = decoder.next(); frame; frame = decoder.next()) this.frames.push(frame);
    });
    duplex
      .on('error', () => {})
      .on('close', () => {
        this.closed = true;
      });
  }

  async say(type: number, payload: Uint8Array, id = 0): Promise<void> {
    this.duplex.write(Buffer.concat(makeFrame(type, 0, id, [payload]).buffers));
    await turns();
  }

  get session(): string | undefined {
    const hello = this.frames.find(({ type }) => type === FrameType.HELLO);
    return hello && decodeAgentHello(hello).session;
  }

  /** Code and text of what the agent said when it sent the caller away. */
  get goaway(): { code: number; text: string } | undefined {
    const frame = this.frames.find(({ type }) => type === FrameType.GOAWAY);
    return frame && decodeGoaway(frame.payload);
  }
}

const hello = (more: object = {}) =>
  encode({ ...ownHello(), received: 0, token: 'right', clientName: 'test', clientVersion: '1', ...more });

function startAgent(options: Partial<AcceptorOptions> = {}) {
  const clock = new TestClock();
  const connections: Connection[] = [];
  const reasons: (string | undefined)[] = [];
  const acceptor = new SessionAcceptor({
    verifyToken: (token) => token === 'right',
    hello: () => ({ agentVersion: '1' }),
    now: clock.now,
    setTimer: clock.setTimer,
    onSession(connection) {
      connections.push(connection);
      connection.onClose((reason) => reasons.push(reason?.message));
    },
    ...options,
  });
  const knock = () => {
    const [near, far] = memoryPair();
    acceptor.accept(far);
    return new Caller(near);
  };
  const enter = async (more?: object) => {
    const caller = knock();
    await caller.say(FrameType.HELLO, hello(more));
    return caller;
  };
  return { clock, acceptor, connections, reasons, knock, enter };
}

describe('the agent’s door', () => {
  it('takes a HELLO of 16 KiB, and none that is a byte longer', async () => {
    const { knock, acceptor } = startAgent();
    // Fields that are not known are skipped; this one fills the frame up.
    const base = hello({ filler: Buffer.alloc(1024) }).byteLength - 1024;
    const [fits, tooLong] = [knock(), knock()];
    const exact = hello({ filler: Buffer.alloc(MAX_HELLO_PAYLOAD - base) });
    expect(exact.byteLength).toBe(MAX_HELLO_PAYLOAD);
    await fits.say(FrameType.HELLO, exact);
    expect(fits.session).toBeTruthy();
    await tooLong.say(FrameType.HELLO, hello({ filler: Buffer.alloc(MAX_HELLO_PAYLOAD - base + 1) }));
    expect(tooLong.goaway).toMatchObject({ code: GoawayCode.PROTOCOL, text: /16385 bytes, the limit is 16384/ });
    expect(acceptor.sessions).toBe(1);
  });

  it('gives a stranger ten seconds to say HELLO, and then tells it why it is sent away', async () => {
    const { clock, knock } = startAgent();
    const caller = knock();
    clock.advance(HELLO_LIMIT - 1);
    await turns();
    expect(caller.goaway).toBeUndefined();
    clock.advance(1);
    await turns();
    expect(caller.goaway).toMatchObject({ code: GoawayCode.PROTOCOL, text: /did not say HELLO within 10 s/ });
  });

  it('has as many strangers at once as allowed, and closes on one more', async () => {
    const { knock, clock } = startAgent();
    const callers = Array.from({ length: MAX_GREETING }, knock);
    await turns();
    expect(callers.filter(({ closed }) => closed)).toEqual([]);
    const oneMore = knock();
    await turns();
    expect(oneMore.closed).toBe(true);
    // Whoever has said HELLO makes room for the next one.
    await callers[0]!.say(FrameType.HELLO, hello());
    const next = knock();
    await next.say(FrameType.HELLO, hello());
    expect(next.session).toBeTruthy();
    clock.advance(HELLO_LIMIT);
    await turns();
    clock.advance(CLOSE_LIMIT);
    await turns();
    expect(callers.filter(({ closed }) => closed)).toHaveLength(MAX_GREETING - 1);
  });

  it('lets as many sessions in as allowed, and tells one more that there is no room', async () => {
    const { enter, acceptor } = startAgent();
    for (let n = 0; n < MAX_SESSIONS; n += 1) expect((await enter()).session).toBeTruthy();
    const oneMore = await enter();
    expect(oneMore.goaway).toMatchObject({ code: GoawayCode.BUSY, text: `${MAX_SESSIONS} sessions` });
    expect(acceptor.sessions).toBe(MAX_SESSIONS);
  });

  it('waits a second for the other half of a transport it has ended, and no longer', async () => {
    const { clock, enter } = startAgent();
    const caller = await enter({ token: 'wrong' });
    expect(caller.goaway).toMatchObject({ code: GoawayCode.UNAUTHORIZED });
    clock.advance(CLOSE_LIMIT - 1);
    await turns();
    expect(caller.closed).toBe(false);
    clock.advance(1);
    await turns();
    expect(caller.closed).toBe(true);
  });

  it('resumes from any frame that was sent, and from none that was not', async () => {
    const { enter } = startAgent();
    const first = await enter();
    for (const [received, known] of [
      [0, true],
      [1, false],
    ] as const) {
      const again = await enter({ session: first.session, received });
      expect(again.session).toBe(known ? first.session : undefined);
      if (!known) expect(again.goaway).toMatchObject({ code: GoawayCode.UNKNOWN_SESSION });
    }
  });
});

describe('sessions whose clients are lost', () => {
  const lose = async (caller: Caller) => {
    caller.duplex.destroy();
    await turns();
  };

  it('are kept for the grace time, and not longer', async () => {
    const { clock, enter, acceptor, reasons } = startAgent();
    await lose(await enter());
    clock.advance(GRACE - 1);
    expect(acceptor.sessions).toBe(1);
    clock.advance(1);
    expect(acceptor.sessions).toBe(0);
    expect(reasons).toEqual(['the client did not come back within 60 s']);
  });

  it('are as many as allowed: one more, and the one that was lost first is given up', async () => {
    const { enter, acceptor, reasons, clock } = startAgent();
    const callers: Caller[] = [];
    for (let n = 0; n < MAX_PARKED + 1; n += 1) callers.push(await enter());
    // Not in the order they came.
    const lost = [callers[3]!, ...callers.filter((_, index) => index !== 3)];
    for (const caller of lost.slice(0, MAX_PARKED)) await lose(caller);
    expect(acceptor.sessions).toBe(MAX_PARKED + 1);
    await lose(lost[MAX_PARKED]!);
    expect(acceptor.sessions).toBe(MAX_PARKED);
    expect(reasons).toEqual([`the agent keeps ${MAX_PARKED} sessions without a client; this one was lost first`]);
    expect((await enter({ session: lost[0]!.session })).goaway).toMatchObject({ code: GoawayCode.UNKNOWN_SESSION });
    expect((await enter({ session: lost[1]!.session })).session).toBe(lost[1]!.session);
    acceptor.close();
    await turns();
    clock.advance(CLOSE_LIMIT);
    expect(clock.pending).toBe(0);
  });

  it('make room for somebody who is there', async () => {
    const { enter, acceptor, reasons } = startAgent({ maxSessions: 3 });
    const [first, second] = [await enter(), await enter(), await enter()];
    await lose(second!);
    await lose(first!);
    expect((await enter()).session).toBeTruthy();
    expect(reasons).toEqual(['the agent has no room for more; this one was lost first']);
    expect((await enter({ session: first!.session })).session).toBe(first!.session);
    expect((await enter()).goaway).toMatchObject({ code: GoawayCode.BUSY });
    expect(acceptor.sessions).toBe(3);
  });

  it('keep as many bytes as allowed together, however slowly the pod’s servers send them', async () => {
    const { enter, connections, acceptor, clock, reasons } = startAgent({ maxParkedBytes: 1_000_000 });
    const streams: { write(chunk: Uint8Array): boolean }[] = [];
    const open = encode({ window: 1000, request: TCP });
    const callers = [await enter(), await enter()];
    for (const [index, caller] of callers.entries()) {
      connections[index]!.onOpen((request) => {
        const stream = request.accept(ANSWER);
        stream.onData = () => {};
        streams.push(stream);
      });
      await caller.say(FrameType.OPEN, open, 1);
      await lose(caller);
    }
    const kept = () => connections.reduce((sum, connection) => sum + connection.keptBytes, 0);
    while (kept() < 1_000_000) streams[0]!.write(Buffer.alloc(Math.min(1_000, 1_000_000 - kept())));
    clock.advance(PARKED_CHECK);
    expect([acceptor.sessions, kept()]).toEqual([2, 1_000_000]);
    streams[1]!.write(Buffer.alloc(1));
    clock.advance(PARKED_CHECK);
    expect(acceptor.sessions).toBe(1);
    expect(reasons).toEqual(['the agent keeps 1000000 bytes for sessions without a client; this one was lost first']);
    // One alone is bounded by the limits of a session.
    streams[1]!.write(Buffer.alloc(2_000_000));
    clock.advance(PARKED_CHECK);
    expect(acceptor.sessions).toBe(1);
  });
});
