import { createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { SessionAcceptor } from '../../../src/protocol/acceptor';
import type { Connection } from '../../../src/protocol/connection';
import type { OpenAnswer, OpenRequest } from '../../../src/protocol/contract';
import type { ClientHello } from '../../../src/protocol/hello';
import { realClock } from '../../../src/tunnel/real-clock';
import { memoryPair } from '../../../src/tunnel/transports/memory';
import { dialSocket } from '../../../src/tunnel/transports/socket';
import { connectTunnel, type Tunnel } from '../../../src/tunnel/tunnel';

const ANSWER: OpenAnswer = {
  podAddress: { address: '10.0.0.1', port: 4000, family: 4 },
  peerAddress: { address: '10.0.0.2', port: 80, family: 4 },
};
const ECHO: OpenRequest = { kind: 'tcp', host: 'echo', port: 7 };

interface Agent {
  acceptor: SessionAcceptor;
  connections: Connection[];
  hellos: ClientHello[];
  ends: number;
  transports: Duplex[];
  dial: () => Promise<Duplex>;
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function startAgent(options: { graceMs?: number; maxSessions?: number } = {}): Agent {
  const agent: Agent = { connections: [], hellos: [], ends: 0, transports: [] } as unknown as Agent;
  agent.acceptor = new SessionAcceptor({
    verifyToken: (token) => token === 'right',
    hello: () => ({ agentVersion: '9.9.9' }),
    ...realClock,
    ...options,
    onSession: (connection, hello) => {
      agent.connections.push(connection);
      agent.hellos.push(hello);
      connection.onCall(async (method, params, raw) => {
        if (method === 'env')
          throw Object.assign(new Error('x'), { code: 'ENOENT', errno: -2, syscall: 'open', path: '/p' });
        if (method === 'fs.read') return { result: {}, raw: Buffer.alloc((params as { length: number }).length, 7) };
        return { result: { method, params, size: raw.byteLength } };
      });
      connection.onOpen((request) => {
        if (request.metadata.port === 1) return request.refuse({ code: 'ECONNREFUSED' });
        const stream = request.accept(ANSWER);
        stream.onData = (chunk) => {
          stream.write(chunk);
          stream.consumed(chunk.byteLength);
        };
        stream.onEnd = () => stream.end();
      });
    },
    onSessionEnd: () => {
      agent.ends += 1;
    },
  });
  agent.dial = async () => {
    const [client, server] = memoryPair();
    agent.transports.push(client);
    agent.acceptor.accept(server);
    return client;
  };
  cleanups.push(() => agent.acceptor.close());
  return agent;
}

async function connect(agent: Agent, options: Partial<Parameters<typeof connectTunnel>[0]> = {}): Promise<Tunnel> {
  const tunnel = await connectTunnel({ dial: agent.dial, token: 'right', clientName: 'test', ...options });
  cleanups.push(() => tunnel.close());
  return tunnel;
}

const until = async (condition: () => boolean) => {
  for (let i = 0; i < 500 && !condition(); i += 1) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(condition()).toBe(true);
};

describe('connectTunnel', () => {
  it('learns who the agent is and answers calls', async () => {
    const agent = startAgent();
    const link = await connect(agent);
    expect(link.agent.agentVersion).toBe('9.9.9');
    expect(agent.hellos[0]).toMatchObject({ clientName: 'test', protocol: 1 });
    const { result, raw } = await link.call('info', {});
    expect(result).toEqual({ method: 'info', params: {}, size: 0 });
    expect(raw.byteLength).toBe(0);
  });

  it('passes on the fields of a system error', async () => {
    const link = await connect(startAgent());
    await expect(link.call('env', { include: [], exclude: [] })).rejects.toMatchObject({
      name: 'WireFailure',
      wire: { code: 'ENOENT', errno: -2, syscall: 'open', path: '/p' },
    });
  });

  it('brings answers of any size', async () => {
    const link = await connect(startAgent());
    for (const length of [0, 1, 65_500, 65_536, 65_537, 5_000_000]) {
      const { raw } = await link.call('fs.read', { path: '/x', position: 0, length });
      expect(raw.byteLength).toBe(length);
      expect(Buffer.from(raw).every((byte) => byte === 7)).toBe(true);
    }
    expect(link.stats).toMatchObject({ streams: 0, calls: 0, windowSum: 0 });
  });

  it('opens streams that echo, with half-close', async () => {
    const link = await connect(startAgent());
    const stream = await link.open(ECHO);
    expect(stream.answer).toEqual(ANSWER);
    const received: Uint8Array[] = [];
    const closed = new Promise<void>((resolve) => {
      stream.onData = (chunk) => {
        received.push(chunk);
        stream.consumed(chunk.byteLength);
      };
      stream.onClose = resolve;
    });
    const sent = Buffer.alloc(1_000_000, 'abc');
    stream.write(sent);
    stream.end();
    await closed;
    expect(Buffer.concat(received).equals(sent)).toBe(true);
  });

  it('rejects an open that the agent refuses', async () => {
    const link = await connect(startAgent());
    await expect(link.open({ ...ECHO, port: 1 })).rejects.toMatchObject({ name: 'WireFailure', code: 'ECONNREFUSED' });
  });

  it('says that the token is wrong', async () => {
    const agent = startAgent();
    await expect(connect(agent, { token: 'wrong' })).rejects.toMatchObject({ code: 'AGENT_UNAUTHORIZED' });
    expect(agent.acceptor.sessions).toBe(0);
  });

  it('resumes over a new transport, and nothing is lost', async () => {
    const agent = startAgent();
    const states: string[] = [];
    const link = await connect(agent, { onState: (state) => states.push(state) });
    const stream = await link.open(ECHO);
    const received: Uint8Array[] = [];
    const closed = new Promise<void>((resolve) => {
      stream.onClose = resolve;
    });
    stream.onData = (chunk) => {
      received.push(chunk);
      stream.consumed(chunk.byteLength);
    };
    const sent = Buffer.alloc(3_000_000, 'abcdefg');
    stream.write(sent);
    stream.end();
    await until(() => received.length > 2);
    agent.transports.at(-1)!.destroy();
    await closed;
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    expect(states).toEqual(['up', 'lost', 'resumed']);
  });

  it('works over a TCP socket', async () => {
    const agent = startAgent();
    const server: Server = createServer((socket) => agent.acceptor.accept(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as { port: number };
    const link = await connect(agent, { dial: dialSocket({ port }) });
    const { raw } = await link.call('fs.read', { path: '/x', position: 0, length: 3_000_000 });
    expect(raw.byteLength).toBe(3_000_000);
    await link.close();
    await until(() => agent.acceptor.sessions === 0);
  });

  it('ends the session on both sides when it is closed', async () => {
    const agent = startAgent();
    const link = await connect(agent);
    await link.close();
    expect(await link.closed).toBeUndefined();
    await until(() => agent.acceptor.sessions === 0);
    expect(agent.ends).toBe(1);
    await expect(link.call('info', {})).rejects.toMatchObject({ code: 'LINK_LOST' });
  });
});
