import { AsyncResource } from 'node:async_hooks';
import dns from 'node:dns';
import { isIP } from 'node:net';
import type { PatchContext } from '../../runtime/verdict';
import { nextTick } from '../originals';
import type { Undo } from '../patch';
import { wrapMethod } from '../wrap';
import { createLookupError } from './dns-errors';
import { reverseName } from './reverse-name';

type Callback = (error: NodeJS.ErrnoException | null, hostname?: string, service?: string) => void;

/** `dns.lookupService` and its promise form: the pod's names of an address and a port. */
export function installLookupService({ resolver }: PatchContext): Undo {
  /** Node's own function answers for bad arguments, and for loopback, whose name is this machine's. */
  const isRemote = (address: unknown, port: unknown): address is string =>
    typeof address === 'string' &&
    isIP(address) !== 0 &&
    !/^127\.|^::1$/.test(address) &&
    isPort(port) &&
    resolver.decide(reverseName(address)).kind === 'remote';

  async function ask(address: string, port: number): Promise<{ hostname: string; service: string }> {
    resolver.hold();
    try {
      return (await resolver.call('dns.lookupService', { address, port })).result;
    } catch (failure) {
      throw createLookupError(failure, 'getnameinfo', address);
    } finally {
      resolver.release();
    }
  }

  const undos = [
    wrapMethod(
      dns,
      'lookupService',
      (lookupService) =>
        function (this: unknown, ...args: unknown[]) {
          const [address, port, callback] = args;
          if (args.length !== 3 || typeof callback !== 'function' || !isRemote(address, port)) {
            return Reflect.apply(lookupService, this, args);
          }
          const scope = new AsyncResource('MIRRORD_LOOKUP_SERVICE');
          const answer: Callback = (...results) => scope.runInAsyncScope(callback as Callback, undefined, ...results);
          ask(address, Number(port)).then(
            ({ hostname, service }) => nextTick(answer, null, hostname, service),
            (error) => nextTick(answer, error),
          );
          return {};
        },
    ),
    wrapMethod(
      dns.promises,
      'lookupService',
      (lookupService) =>
        function (this: unknown, ...args: unknown[]) {
          const [address, port] = args;
          if (args.length !== 2 || !isRemote(address, port)) return Reflect.apply(lookupService, this, args);
          return ask(address, Number(port));
        },
    ),
  ];
  return () => {
    for (const undo of undos) undo();
  };
}

/** Node takes a number or its decimal text. */
function isPort(value: unknown): boolean {
  if (typeof value !== 'number' && (typeof value !== 'string' || value.trim() === '')) return false;
  const port = Number(value);
  return Number.isInteger(port) && port >= 0 && port <= 65_535;
}
