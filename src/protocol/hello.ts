import { decodeObject, encode } from './codec';
import { type Frame, FrameType, makeFrame } from './frame';
import { ProtocolError } from './goaway';
import { INITIAL_WINDOW, MAX_WINDOW } from './limits';
import { FEATURES, OLDEST_PROTOCOL, PROTOCOL_VERSION, type SpokenVersions } from './version';

/** What both ends say first. */
export interface Hello extends SpokenVersions {
  features: string[];
  /** Which session; absent in the first HELLO of a client. */
  session?: string;
  /** Sequenced frames of that session that have arrived here. */
  received: number;
  /** Credit that a reply stream of the other end begins with. */
  window: number;
}

export interface ClientHello extends Hello {
  token: string;
  /** Shown to others who use the same agent, such as the name of the program. */
  clientName: string;
  clientVersion: string;
}

export interface AgentHello extends Hello {
  session: string;
  agentVersion: string;
  /** Milliseconds a lost session is kept. */
  grace?: number;
}

/** Fields that are the same in every HELLO of this version. */
export function ownHello(): Omit<Hello, 'session' | 'received'> {
  return {
    protocol: PROTOCOL_VERSION,
    oldest: OLDEST_PROTOCOL,
    features: [...FEATURES],
    window: INITIAL_WINDOW,
  };
}

export function encodeHello(hello: ClientHello | AgentHello): Uint8Array[] {
  return makeFrame(FrameType.HELLO, 0, 0, [encode(hello)]).buffers;
}

/** @throws ProtocolError when it is no HELLO, or a field is not what it must be */
export function decodeClientHello(frame: Frame): ClientHello {
  const fields = helloFields(frame);
  return {
    ...commonFields(fields),
    session: fields.session === undefined ? undefined : text(fields, 'session'),
    token: text(fields, 'token'),
    clientName: text(fields, 'clientName'),
    clientVersion: text(fields, 'clientVersion'),
  };
}

/** @throws ProtocolError when it is no HELLO, or a field is not what it must be */
export function decodeAgentHello(frame: Frame): AgentHello {
  const fields = helloFields(frame);
  return {
    ...commonFields(fields),
    session: text(fields, 'session'),
    agentVersion: text(fields, 'agentVersion'),
    ...(fields.grace !== undefined && { grace: count(fields, 'grace') }),
  };
}

function helloFields(frame: Frame): Record<string, unknown> {
  if (frame.type !== FrameType.HELLO) throw new ProtocolError(`the first frame is of type ${frame.type}, not HELLO`);
  return decodeObject(frame.payload, 'HELLO');
}

function commonFields(fields: Record<string, unknown>): Omit<Hello, 'session'> {
  const features = Array.isArray(fields.features) ? fields.features.filter((name) => typeof name === 'string') : [];
  return {
    protocol: count(fields, 'protocol'),
    oldest: fields.oldest === undefined ? OLDEST_PROTOCOL : count(fields, 'oldest'),
    features,
    received: count(fields, 'received'),
    window: Math.min(count(fields, 'window'), MAX_WINDOW),
  };
}

function count(fields: Record<string, unknown>, name: string): number {
  const value = fields[name];
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new ProtocolError(`HELLO without a valid ${name}`);
}

function text(fields: Record<string, unknown>, name: string): string {
  const value = fields[name];
  if (typeof value === 'string' && value.length <= 1024) return value;
  throw new ProtocolError(`HELLO without a valid ${name}`);
}
