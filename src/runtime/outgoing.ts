import inspector from 'node:inspector';
import { BlockList } from 'node:net';
import type { OutgoingConfig } from '../config/types';
import { compileFilter, sideOf } from './address-rules';
import { type BypassReason, type OutgoingAccess, REMOTE, type Verdict } from './verdict';

export interface OutgoingPolicyOptions {
  outgoing: OutgoingConfig;
  /** Loopback ports of our own sockets: relay, API server, control socket. */
  isOwnPort(port: number): boolean;
  /** Whether a process of this session tree listens on that port. */
  isOwnListener(port: number): boolean;
  /** The name an address was looked up by. */
  nameOf(address: string): string | undefined;
}

/** Addresses that mean this host: 127/8, ::1, and the unspecified ones, which Linux and macOS connect to loopback. */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('0.0.0.0', 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
LOOPBACK.addAddress('::', 'ipv6');

/** IPv4 rules match IPv4-mapped IPv6 addresses as well: `BlockList` sees to that. */
export function isLoopback(address: string, family: 4 | 6): boolean {
  return LOOPBACK.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/**
 * Says which connections go through the pod. Rules are compiled once, here.
 *
 * @throws MirrordError CONFIG_INVALID_FILTER
 */
export function createOutgoingPolicy(options: OutgoingPolicyOptions): Pick<OutgoingAccess, 'decide'> {
  const { outgoing, isOwnPort, isOwnListener, nameOf } = options;
  const filter = compileFilter(outgoing.filter);

  function decideLoopback(port: number): BypassReason | undefined {
    if (isOwnPort(port)) return 'own-socket';
    if (outgoing.ignoreLocalhost || isInspector(port)) return 'loopback';
    return isOwnListener(port) ? 'own-listener' : undefined;
  }

  function reasonToBypass(address: string, port: number, family: 4 | 6): BypassReason | undefined {
    if (!outgoing.tcp) return 'feature-off';
    // Nobody listens on port 0: Node's own error is the right answer.
    if (port === 0) return 'default-local';
    const loopback = isLoopback(address, family) ? decideLoopback(port) : undefined;
    if (loopback) return loopback;
    const side = sideOf(filter, { protocol: 'tcp', address, port, name: nameOf(address) });
    return side === 'local' ? 'configured-local' : undefined;
  }

  return {
    decide(address, port, family): Verdict {
      const reason = reasonToBypass(address, port, family);
      return reason ? { kind: 'bypass', reason } : REMOTE;
    },
  };
}

/** The debugger of this process, or the port where it would listen: `--inspect` children count up from there. */
export function isInspector(port: number): boolean {
  if (port === process.debugPort) return true;
  const url = inspector.url();
  return url !== undefined && port === Number(new URL(url).port);
}
