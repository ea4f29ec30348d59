import { MirrordError } from '../errors';

/**
 * The three ways in which API servers forward a port: each byte channel a message with a prefix (`websocket`), SPDY frames
 * inside WebSocket messages (`spdy-websocket`, since Kubernetes 1.30), and SPDY by itself (`spdy`, the oldest, which proxies
 * that only know HTTP and WebSockets do not pass on).
 */
export type ForwardForm = 'websocket' | 'spdy-websocket' | 'spdy';

/** The first one answers a ping fastest and needs no frames of its own; the last asks for one right less on old servers. */
const ALL: ForwardForm[] = ['websocket', 'spdy-websocket', 'spdy'];

/**
 * The forms to try, in order: all of them, or the one that `MIRRORD_PORT_FORWARD` names.
 *
 * @throws MirrordError CONFIG_INVALID_VALUE
 */
export function forwardForms(env: NodeJS.ProcessEnv): ForwardForm[] {
  const asked = env.MIRRORD_PORT_FORWARD;
  if (!asked || asked === 'auto') return [...ALL];
  const form = ALL.find((known) => known === asked);
  if (form) return [form];
  throw new MirrordError(
    'CONFIG_INVALID_VALUE',
    `MIRRORD_PORT_FORWARD is ${JSON.stringify(asked)}; expected one of auto, ${ALL.join(', ')}.`,
    { hint: 'Without it every form is tried in that order.' },
  );
}
