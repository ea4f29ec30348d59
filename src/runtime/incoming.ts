import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import type { Bridge } from '../bridge/bridge';
import { PeerFile } from '../bridge/incoming/peer-file';
import { createPeerTable, type PeerTable, viewPeerTable } from '../bridge/incoming/peer-table';
import type { IncomingConfig } from '../config/types';
import { formatError, MirrordError } from '../errors';
import { log } from '../log';
import { closeSync, openSync, readSync, writeSync } from '../patches/originals';
import { WireFailure } from '../protocol/session-types';
import { isLoopback } from './outgoing';
import type { BypassReason, IncomingAccess, ListeningServer } from './verdict';

/** Milliseconds a server waits for its subscription before it listens without. */
const SUBSCRIBE_LIMIT = 10_000;
const SECTION = 'feature.network.incoming';
/** The session is over, which was said already. */
const OVER = new Set(['SESSION_CLOSED', 'WORKER_FAILED', 'LINK_LOST']);

export interface IncomingPolicyOptions {
  incoming: IncomingConfig;
  /** Ports of the pod's containers. One that nothing listens on yet is no mistake when it stands there. */
  declaredPorts: number[];
  /** Whether a process of this session tree listens on that port. */
  isListed(port: number): boolean;
  /** The debugger's port. */
  isInspector(port: number): boolean;
  /** The session's folder, where processes that share a listening socket find who its clients are. */
  folder: string | undefined;
  bridge: Pick<Bridge, 'listenSync' | 'unlisten'>;
  tell?: (message: string) => void;
  exit?: (code: number) => void;
}

/** Says which servers of the app get the traffic of which port of the pod, and subscribes to it. */
export function createIncomingPolicy(options: IncomingPolicyOptions): IncomingAccess {
  const { incoming, declaredPorts, isListed, isInspector, folder, bridge } = options;
  const { tell = say, exit = (code) => process.exit(code) } = options;
  const podPorts = new Map(incoming.portMapping);
  const listenPorts = new Map(incoming.listenPorts);
  let memory: SharedArrayBuffer | undefined;
  let peers: PeerTable | undefined;
  const file = folder === undefined ? undefined : join(folder, 'peers');
  // Handed over by another process, as to the workers of a cluster, is only what comes through a channel.
  const others =
    file !== undefined && process.send ? new PeerFile(file, { openSync, readSync, writeSync, closeSync }) : undefined;
  let sequence = 0;

  function reasonToBypass({ asked, address }: { asked: number; address: string }): BypassReason | undefined {
    if (incoming.mode === 'off') return 'feature-off';
    // Whatever port it gets is no port of the pod.
    if (asked === 0) return 'default-local';
    if (isInspector(asked)) return 'own-socket';
    if (incoming.ignorePorts.includes(asked) || incoming.ports?.includes(asked) === false) return 'configured-local';
    const everywhere = address === '0.0.0.0' || address === '::';
    if (incoming.ignoreLocalhost && !everywhere && isLoopback(address, isIPv6(address) ? 6 : 4)) return 'loopback';
    return undefined;
  }

  /** Which key of the configuration names the port, as somebody who means one of the pod's. */
  function namedBy(asked: number): string | undefined {
    const mapped = podPorts.get(asked);
    if (mapped !== undefined) return `${SECTION}.port_mapping has [${asked}, ${mapped}]`;
    return incoming.ports?.includes(asked) ? `${SECTION}.ports has ${asked}` : undefined;
  }

  function subscriptionOf(port: number, mustListen: boolean) {
    const { mode, httpFilter, httpFilterPorts, onConcurrentSteal, flush, keepProbes, fallback } = incoming;
    const filter = httpFilterPorts?.includes(port) === false ? undefined : httpFilter;
    return {
      port,
      mode: mode === 'steal' ? ('steal' as const) : ('mirror' as const),
      ...(filter && { filter }),
      ...(flush && { flush }),
      ...(fallback && { fallback }),
      ...(mustListen && { mustListen }),
      onConcurrentSteal,
      keepProbes,
    };
  }

  function report(podPort: number, error: unknown): void {
    const { code, message } = error as { code?: string; message: string };
    if (code !== undefined && OVER.has(code)) return;
    const late = code === 'SYNC_CALL_TIMEOUT';
    const text = late ? `the agent has not confirmed it within ${SUBSCRIBE_LIMIT / 1_000} s` : message;
    const known = error instanceof WireFailure || error instanceof MirrordError;
    const told = new MirrordError(
      late || !known ? 'INCOMING_FAILED' : code!,
      `port ${podPort} of the pod is not ${incoming.mode === 'steal' ? 'stolen' : 'mirrored'}: ${text}`,
      {
        hint:
          incoming.onFailure === 'exit'
            ? 'The app ends, as feature.network.incoming.on_failure says.'
            : `The app goes on; on that port it hears from this machine only${late ? ' until the agent answers' : ''}.`,
      },
    );
    tell(formatError(told));
    if (incoming.onFailure === 'exit') exit(1);
  }

  return {
    portFor: (asked) => listenPorts.get(asked) ?? asked,
    takes: (server) => reasonToBypass(server) === undefined,
    opened(server: ListeningServer) {
      const { asked, address, port } = server;
      const podPort = podPorts.get(asked) ?? asked;
      // Several processes may share one listening socket, and one of them is enough.
      const reason = reasonToBypass(server) ?? (isListed(port) ? 'own-listener' : undefined);
      log('incoming', `${address} ${port}: ${reason ? `here, ${reason}` : `port ${podPort} of the pod`}`);
      if (reason) return undefined;
      memory ??= createPeerTable();
      peers ??= viewPeerTable(memory);
      sequence += 1;
      const key = sequence;
      const named = namedBy(asked);
      const subscription = subscriptionOf(podPort, named !== undefined && !declaredPorts.includes(podPort));
      try {
        const { replaced } = bridge.listenSync(
          { key, address, port, peers: memory, peersFile: file, subscription, named },
          SUBSCRIBE_LIMIT,
        );
        if (replaced?.length) tell(`mirrord: port ${podPort} of the pod was taken from ${replaced.join(' and ')}`);
      } catch (error) {
        report(podPort, error);
      }
      return () => bridge.unlisten(key);
    },
    moved({ asked, address, port }) {
      tell(`mirrord: the server that asked for port ${asked} is on port ${port} of ${address} on this machine`);
    },
    peerOf: (sourcePort, serverPort) => peers?.get(sourcePort, serverPort) ?? others?.read(sourcePort, serverPort),
  };
}

function say(message: string): void {
  try {
    writeSync(2, `${message}\n`);
  } catch {
    // A closed stderr must not make a server fail.
  }
}
