import { createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { SessionAcceptor } from '../../../src/protocol/acceptor';
import { encode } from '../../../src/protocol/codec';
import type { Connection } from '../../../src/protocol/connection';
import { FrameType, makeFrame } from '../../../src/protocol/frame';
import { memoryPair } from '../../../src/tunnel/transports/memory';
import { dialSocket } from '../../../src/tunnel/transports/socket';
import { connectTunnel, type LinkState } from '../../../src/tunnel/tunnel';
import { ANSWER, TCP, TestClock } from '../../protocol/world';

const turns = async (count = 30) => {
  for (let n = 0; n < count; n += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** The transport stays open and carries nothing any more, as after a laptop has slept. */
function deafen(transport: Duplex): void {
  transport.pause();
  transport.pause = () => transport;
  transport.removeAllListeners('data');
  transport.on('data', () => {});
}

/** An agent and a client on one clock that stands still; `reachable` says whether a dial succeeds. */
async function world(graceMs = 60_000) {
  const clock = new TestClock();
  const connections: Connection[] = [];
  const attached: boolean[] = [];
  const acceptor = new SessionAcceptor({
    verifyToken: (token) => token === 'right',
    hello: () => ({ agentVersion: '1.2.3' }),
    now: clock.now,
    setTimer: clock.setTimer,
    graceMs: 60_000,
    onSession: (connection) => {
      connections.push(connection);
      connection.onAttached((value) => attached.push(value));
      connection.onOpen((request) => {
        request.accept(ANSWER).onData = () => {};
      });
      connection.onCall(() => new Promise(() => {}));
    },
  });
  const state = { reachable: true, deaf: false, dials: 0 };
  const transports: Duplex[] = [];
  const states: LinkState[] = [];
  const dial = async () => {
    state.dials += 1;
    if (!state.reachable) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const [near, far] = memoryPair();
    transports.push(near);
    if (!state.deaf) acceptor.accept(far);
    return near;
  };
  const options = {
    dial,
    token: 'right',
    clientName: 'test',
    clock,
    graceMs,
    onState: (s: LinkState) => states.push(s),
  };
  return { clock, acceptor, connections, attached, state, transports, states, options };
}

describe('a link that is lost', () => {
  it('ends when it cannot be resumed: streams with ECONNRESET, calls with LINK_LOST', async () => {
    const { options, state, transports, clock, states } = await world(10_000);
    const link = await connectTunnel(options);
    const stream = await link.open(TCP);
    const resets: unknown[] = [];
    stream.onData = () => {};
    stream.onReset = ({ code }) => resets.push(code);
    const call = link.call('info', {});
    call.catch(() => {});
    await turns();
    state.reachable = false;
    transports[0]!.destroy();
    await turns();
    for (let n = 0; n < 30; n += 1) {
      clock.advance(500);
      await turns(3);
    }
    await expect(call).rejects.toMatchObject({ name: 'MirrordError', code: 'LINK_LOST' });
    expect(resets).toEqual(['ECONNRESET']);
    expect(await link.closed).toMatchObject({ code: 'LINK_LOST' });
    expect((await link.closed)!.message).toMatch(/within 10 s: connect ECONNREFUSED/);
    expect(states).toEqual(['up', 'lost', 'ended']);
    // At once, then after 50 ms, doubled.
    expect(state.dials).toBeGreaterThan(6);
    expect(state.dials).toBeLessThan(13);
  });

  it('listens to no transport that has ended, however often it is given that one', async () => {
    const { options, transports, clock, states } = await world(60_000);
    const { dial } = options;
    const link = await connectTunnel({ ...options, dial: async () => transports[0] ?? dial() });
    transports[0]!.destroy();
    await turns();
    const listeners = transports[0]!.listenerCount('error');
    for (let n = 0; n < 60; n += 1) {
      clock.advance(500);
      await turns(3);
    }
    expect(transports[0]!.listenerCount('error')).toBe(listeners);
    expect(states).toEqual(['up', 'lost']);
    await link.close();
  });

  it('is found lost when the agent falls silent, and resumed', async () => {
    const { options, transports, clock, states, connections, attached } = await world();
    await connectTunnel(options);
    await turns();
    deafen(transports[0]!);
    clock.advance(5_000);
    await turns();
    clock.advance(9_999);
    await turns();
    expect(states).toEqual(['up']);
    clock.advance(1);
    await turns();
    expect(states).toEqual(['up', 'lost', 'resumed']);
    expect(connections.length).toBe(1);
    expect(attached).toEqual([true, false, true]);
  });

  it('is asked at once when the machine wakes up, and resumed when there is no answer', async () => {
    const { options, transports, clock, states } = await world();
    await connectTunnel(options);
    await turns();
    deafen(transports[0]!);
    // A minute during which not even the monotonic clock went on.
    clock.slept += 60_000;
    clock.advance(1_000);
    await turns();
    clock.advance(1_999);
    await turns();
    expect(states).toEqual(['up']);
    clock.advance(1);
    await turns();
    expect(states).toEqual(['up', 'lost', 'resumed']);
  });

  it('is not taken for alive because something had arrived before the sleep', async () => {
    const { options, transports, clock, states } = await world();
    await connectTunnel(options);
    await turns();
    const [transport] = transports;
    const [receive] = transport!.listeners('data') as [(chunk: Uint8Array) => void];
    deafen(transport!);
    clock.slept += 60_000;
    clock.advance(1_000);
    receive(Buffer.concat(makeFrame(FrameType.PONG, 0, 0, [Buffer.alloc(8)]).buffers));
    await turns();
    clock.advance(2_000);
    await turns();
    expect(states).toEqual(['up', 'lost', 'resumed']);
  });

  it('is found lost in the same time when something came right after a PING', async () => {
    const { options, transports, clock, states } = await world();
    await connectTunnel(options);
    await turns();
    const [transport] = transports;
    const [receive] = transport!.listeners('data') as [(chunk: Uint8Array) => void];
    deafen(transport!);
    clock.advance(5_001);
    receive(Buffer.concat(makeFrame(FrameType.PONG, 0, 0, [Buffer.alloc(8)]).buffers));
    await turns();
    clock.advance(14_999);
    await turns();
    expect(states).toEqual(['up']);
    clock.advance(2);
    await turns();
    expect(states).toEqual(['up', 'lost', 'resumed']);
  });

  it('is left alone after a sleep when its transport still answers', async () => {
    const { options, clock, states, state } = await world();
    await connectTunnel(options);
    clock.slept += 60_000;
    for (let n = 0; n < 10; n += 1) {
      clock.advance(1_000);
      await turns();
    }
    expect([states, state.dials]).toEqual([['up'], 1]);
  });

  it('is dialled anew at once when the machine wakes up during a pause or a dial that hangs', async () => {
    const { options, transports, clock, states, state } = await world();
    let hanging = 0;
    const dial = (signal?: AbortSignal) => {
      if (state.dials === 0 || states.includes('ended')) return options.dial();
      hanging += 1;
      return state.deaf
        ? new Promise<never>((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
        : options.dial();
    };
    await connectTunnel({ ...options, dial });
    await turns();
    state.deaf = true;
    transports[0]!.destroy();
    await turns();
    expect([states, hanging]).toEqual([['up', 'lost'], 1]);
    state.deaf = false;
    clock.slept += 30_000;
    clock.advance(1_000);
    await turns();
    expect([states, hanging]).toEqual([['up', 'lost', 'resumed'], 2]);
  });

  it('keeps new connects waiting until it is back', async () => {
    const { options, transports, clock, state } = await world();
    const link = await connectTunnel(options);
    await turns();
    state.reachable = false;
    transports[0]!.destroy();
    await turns();
    let opened = false;
    const opening = link.open(TCP).then(() => {
      opened = true;
    });
    const limited = link.open(TCP, AbortSignal.abort(new Error('the app gave up')));
    await expect(limited).rejects.toThrow('the app gave up');
    clock.advance(3_000);
    await turns();
    expect(opened).toBe(false);
    state.reachable = true;
    clock.advance(5_000);
    await turns();
    await opening;
    expect(opened).toBe(true);
  });

  it('stays up for hours of nothing', async () => {
    const { options, clock, states, state } = await world();
    const link = await connectTunnel(options);
    for (let n = 0; n < 1000; n += 1) {
      clock.advance(4_000);
      await turns(4);
    }
    expect([states, state.dials, link.state]).toEqual([['up'], 1, 'up']);
  });

  it('is parked by the agent for the grace time and released after it', async () => {
    const { options, clock, connections, acceptor, transports, state } = await world();
    await connectTunnel(options);
    await turns();
    state.reachable = false;
    let ended: Error | undefined;
    connections[0]!.onClose((reason) => {
      ended = reason;
    });
    transports[0]!.destroy();
    await turns();
    clock.advance(59_999);
    expect([acceptor.sessions, connections[0]!.attached]).toEqual([1, false]);
    clock.advance(1);
    expect(acceptor.sessions).toBe(0);
    expect(ended?.message).toBe('the client did not come back within 60 s');
  });

  it('is told when the agent does not know the session any more', async () => {
    const { options, connections, transports } = await world();
    const link = await connectTunnel(options);
    await turns();
    const late = link.closed;
    // Taken off without a word, as by an agent that was started anew on the same port.
    connections[0]!.end();
    transports[0]!.destroy();
    expect(await late).toMatchObject({
      code: 'LINK_LOST',
      message: expect.stringContaining('does not know the session'),
    });
  });
});

describe('a link that does not come up', () => {
  it('names both versions when none is spoken by both', async () => {
    const { options } = await world();
    const dial = async () => {
      const [near, far] = memoryPair();
      const hello = {
        protocol: 7,
        oldest: 5,
        features: [],
        session: '',
        received: 0,
        window: 1,
        agentVersion: '3.0.0',
      };
      far.write(Buffer.concat(makeFrame(FrameType.HELLO, 0, 0, [encode(hello)]).buffers));
      return near;
    };
    await expect(connectTunnel({ ...options, dial })).rejects.toMatchObject({
      code: 'PROTOCOL_MISMATCH',
      details: { clientProtocol: 1, agentProtocol: 7, agentVersion: '3.0.0' },
    });
  });

  it('gives up after the time limit when the agent says nothing', async () => {
    const { options, state, clock } = await world();
    state.deaf = true;
    const connecting = connectTunnel({ ...options, connectTimeoutMs: 3_000 });
    connecting.catch(() => {});
    await turns();
    clock.advance(3_000);
    await expect(connecting).rejects.toMatchObject({ code: 'LINK_TIMEOUT', details: { receivedBytes: 0 } });
  });

  it('gives up after the time limit when the dial never ends', async () => {
    const { options, clock } = await world();
    const connecting = connectTunnel({ ...options, dial: () => new Promise(() => {}), connectTimeoutMs: 3_000 });
    connecting.catch(() => {});
    clock.advance(3_000);
    await expect(connecting).rejects.toMatchObject({ code: 'LINK_TIMEOUT' });
  });

  it('says that the transport ended before a byte came', async () => {
    const server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const options = { dial: dialSocket({ port }), token: 't', clientName: 'x' };
    await expect(connectTunnel(options)).rejects.toMatchObject({ code: 'LINK_LOST', details: { receivedBytes: 0 } });
    server.close();
  });

  it('says that nobody listens', async () => {
    const { options } = await world();
    await expect(connectTunnel({ ...options, dial: dialSocket({ port: 1 }) })).rejects.toMatchObject({
      code: 'LINK_LOST',
      cause: { code: 'ECONNREFUSED' },
    });
  });

  it('is refused when the agent has as many sessions as it takes', async () => {
    const clock = new TestClock();
    const { now, setTimer } = clock;
    const hello = () => ({ agentVersion: '1' });
    const acceptor = new SessionAcceptor({
      verifyToken: () => true,
      hello,
      now,
      setTimer,
      maxSessions: 1,
      onSession() {},
    });
    const dial = async () => {
      const [near, far] = memoryPair();
      acceptor.accept(far);
      return near;
    };
    await connectTunnel({ dial, token: 't', clientName: 'one', clock });
    await expect(connectTunnel({ dial, token: 't', clientName: 'two', clock })).rejects.toMatchObject({
      code: 'AGENT_BUSY',
    });
    expect(acceptor.sessions).toBe(1);
  });
});

describe('the grace time', () => {
  it('is what the agent says, so that both ends give a session up at the same time', async () => {
    const clock = new TestClock();
    const { now, setTimer } = clock;
    const acceptor = new SessionAcceptor({
      verifyToken: () => true,
      hello: () => ({ agentVersion: '1' }),
      now,
      setTimer,
      graceMs: 7_000,
      onSession() {},
    });
    const transports: Duplex[] = [];
    const dial = async () => {
      if (transports.length > 0) throw new Error('nobody there');
      const [near, far] = memoryPair();
      transports.push(near);
      acceptor.accept(far);
      return near;
    };
    const link = await connectTunnel({ dial, token: 't', clientName: 'one', clock });
    expect(link.agent.grace).toBe(7_000);
    transports[0]!.destroy();
    await turns();
    for (let n = 0; n < 13; n += 1) {
      clock.advance(500);
      await turns(3);
    }
    expect([link.state, acceptor.sessions]).toEqual(['lost', 1]);
    clock.advance(1_000);
    await turns();
    expect((await link.closed)!.message).toContain('within 7 s');
    expect(acceptor.sessions).toBe(0);
  });
});
