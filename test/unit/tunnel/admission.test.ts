import type { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { SessionAcceptor } from '../../../src/protocol/acceptor';
import { MAX_GREETING, MAX_SESSIONS } from '../../../src/protocol/limits';
import { realClock } from '../../../src/tunnel/real-clock';
import { memoryPair } from '../../../src/tunnel/transports/memory';
import { connectTunnel } from '../../../src/tunnel/tunnel';

function startAgent() {
  const acceptor = new SessionAcceptor({
    verifyToken: () => true,
    hello: () => ({ agentVersion: '9' }),
    ...realClock,
    onSession: () => {},
  });
  const dial = async (): Promise<Duplex> => {
    const [client, agent] = memoryPair();
    acceptor.accept(agent);
    return client;
  };
  const connect = () => connectTunnel({ dial, token: 'x', clientName: 'child' });
  return { acceptor, dial, connect };
}

it(`an agent takes ${MAX_SESSIONS} sessions, and says that it has no room for one more`, async () => {
  const { acceptor, connect } = startAgent();
  const links = await Promise.all(Array.from({ length: MAX_SESSIONS }, connect));
  expect(acceptor.sessions).toBe(MAX_SESSIONS);
  await expect(connect()).rejects.toMatchObject({
    code: 'AGENT_BUSY',
    message: expect.stringContaining(`${MAX_SESSIONS} sessions`),
    hint: expect.any(String),
  });
  await links[0]!.close();
  await expect.poll(() => acceptor.sessions).toBe(MAX_SESSIONS - 1);
  await (await connect()).close();
  await Promise.all(links.map((link) => link.close()));
});

it(`an agent listens to ${MAX_GREETING} transports that have not said HELLO, and closes one more`, async () => {
  const { acceptor, dial } = startAgent();
  const silent = await Promise.all(Array.from({ length: MAX_GREETING }, dial));
  const further = await dial();
  further.on('error', () => {}).resume();
  await expect.poll(() => further.destroyed || further.readableEnded).toBe(true);
  expect(silent.filter(({ destroyed, readableEnded }) => destroyed || readableEnded)).toEqual([]);
  acceptor.close();
});
