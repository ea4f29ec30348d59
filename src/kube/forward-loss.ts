import { MirrordError } from '../errors';

/**
 * What the end of a port-forward means: refused as long as nothing was received, lost after that.
 *
 * @param received bytes of the pod so far
 * @param errorText what came on the error channel; else `why` is said
 */
export function forwardLoss(received: number, errorText: string, why: string): MirrordError {
  const text = errorText.trim() || why;
  return received === 0
    ? new MirrordError('PORT_FORWARD_REFUSED', `Nothing answered on the forwarded port: ${text}`)
    : new MirrordError('PORT_FORWARD_LOST', `The port-forward broke: ${text}`);
}
