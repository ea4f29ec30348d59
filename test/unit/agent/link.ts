import { SessionAcceptor } from '../../../src/protocol/acceptor';
import type { Connection } from '../../../src/protocol/connection';
import { memoryPair } from '../../../src/tunnel/transports/memory';
import { connectTunnel, type Tunnel } from '../../../src/tunnel/tunnel';

const setTimer = (ms: number, run: () => void) => {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
};

/** A client and an agent's door in one process; `serve` is what is behind the door. */
export function linkInProcess(serve: (connection: Connection) => void): Promise<Tunnel> {
  const acceptor = new SessionAcceptor({
    verifyToken: () => true,
    hello: () => ({ agentVersion: 'test' }),
    now: () => performance.now(),
    setTimer,
    onSession: (connection) => serve(connection),
  });
  const dial = async () => {
    const [client, agent] = memoryPair();
    acceptor.accept(agent);
    return client;
  };
  return connectTunnel({ dial, token: 'any', clientName: 'test', graceMs: 10 });
}
