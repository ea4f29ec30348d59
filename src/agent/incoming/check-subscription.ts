import type { IncomingSubscription } from '../../protocol/contract';
import { badParameters, failure } from '../failure';
import * as check from '../parameters';
import { listeningPorts } from './listening-ports';

/** Throws BAD_PARAMETERS that names the parameter. The filter is checked where it is compiled. */
export function checkSubscription(params: IncomingSubscription): void {
  check.wholeNumber('port', params.port, 65_535);
  if (params.port === 0) throw badParameters('port must be a whole number from 1 to 65535, got 0');
  check.oneOf('mode', params.mode, ['steal', 'mirror']);
  check.oneOf('onConcurrentSteal', params.onConcurrentSteal, ['abort', 'continue', 'override']);
  if (params.fallback !== undefined) check.oneOf('fallback', params.fallback, ['pod']);
  if (!['undefined', 'boolean'].includes(typeof params.mustListen)) {
    throw badParameters('mustListen must be true or false');
  }
  if (typeof params.keepProbes !== 'boolean') throw badParameters('keepProbes must be true or false');
  check.text('owner', params.owner);
  if (params.owner.length > 200) throw badParameters('owner is longer than 200 characters');
}

/** Rejects with PORT_UNKNOWN when the port has to be one of the pod's, and is not. */
export async function checkPort({ port, mustListen }: IncomingSubscription): Promise<void> {
  if (!mustListen) return;
  const ports = await listeningPorts();
  if (ports.includes(port)) return;
  const others = ports.length > 0 ? `it listens on ${ports.join(', ')}` : 'it listens on no port at all';
  throw failure({ code: 'PORT_UNKNOWN', message: `nothing in the pod listens on port ${port}; ${others}` });
}
