import { createServer, type Server, type Socket } from 'node:net';
import type { Connection } from '../../../src/protocol/connection';
import type { IncomingSubscription } from '../../../src/protocol/contract';
import { spliceSocket } from '../../../src/protocol/splice';
import { toWireError } from '../../../src/protocol/wire-errors';

/** Where the scripted pod's ports are: connections to them are handed to whoever has subscribed. */
export const POD = '127.0.0.99';
/** Pod's ports at which the script says no, or nothing. */
export const TAKEN_PORT = 65_001;
export const SILENT_PORT = 65_002;
/** Who the clients of the pod are, whoever connects. */
export const CLIENT = { address: '203.0.113.9', port: 51_234, family: 4 } as const;
export const CLIENT6 = { address: '2001:db8::9', port: 51_236, family: 6 } as const;

export interface ScriptedIncoming {
  subscribe(params: IncomingSubscription): Promise<{ subscription: number }>;
  unsubscribe(subscription: number): Promise<Record<string, never>>;
}

/** What the agent does with a port, without rules: it listens there itself. Port 0 of nothing is looked at. */
export function scriptIncoming(connection: Connection): ScriptedIncoming {
  const servers = new Map<number, Server>();
  let sequence = 0;

  function take(subscription: number, { port, mode }: IncomingSubscription, socket: Socket): void {
    socket.on('error', () => {});
    const peerAddress = socket.localAddress === POD ? CLIENT : CLIENT6;
    connection
      .open({ kind: 'incoming', subscription, mode, port, peerAddress, podAddress: { address: POD, port, family: 4 } })
      .then(
        (stream) => spliceSocket(stream, socket),
        (error) => socket.end(`refused ${toWireError(error).code}`),
      );
  }

  const close = (server: Server | undefined) =>
    new Promise<void>((resolve) => {
      if (!server) return resolve();
      // What was accepted goes on.
      server.close();
      setImmediate(resolve);
    });
  connection.onClose(() => {
    for (const server of servers.values()) void close(server);
  });

  return {
    async subscribe(params) {
      if (params.port === SILENT_PORT) return new Promise(() => {});
      if (params.port === TAKEN_PORT) {
        const message = 'it is stolen by somebody on elsewhere since 12:00';
        throw Object.assign(new Error(message), { code: 'PORT_STOLEN' });
      }
      sequence += 1;
      const subscription = sequence;
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
        take(subscription, params, socket),
      );
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(params.port, POD, resolve);
      });
      servers.set(subscription, server);
      return { subscription };
    },
    async unsubscribe(subscription) {
      await close(servers.get(subscription));
      servers.delete(subscription);
      return {};
    },
  };
}
