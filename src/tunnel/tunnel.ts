import { Connection, type EventHandler } from '../protocol/connection';
import type { MethodName, OpenRequest, Params } from '../protocol/contract';
import { closeSoon, wireDuplex } from '../protocol/duplex-wire';
import { GoawayCode } from '../protocol/goaway';
import { type AgentHello, type ClientHello, ownHello } from '../protocol/hello';
import { keepAlive } from '../protocol/keepalive';
import { CLOSE_LIMIT, GRACE, WAKE_LIMIT } from '../protocol/limits';
import type { OpenHandler } from '../protocol/mux';
import { SessionError } from '../protocol/session-error';
import type { AgentLink, CallAnswer, CallOptions, IncomingRequest, MuxStream } from '../protocol/session-types';
import { VERSION } from '../version';
import { watchForGaps } from './gap-watch';
import { dialAndGreet, type Greeting } from './greet';
import { type LinkClock, realClock } from './real-clock';
import { reconnect } from './reconnect';
import type { Dial, Transport } from './transport';

export type LinkState = 'up' | 'lost' | 'resumed' | 'ended';

export interface TunnelOptions {
  dial: Dial;
  token: string;
  /** Shown to others who use the same agent. */
  clientName: string;
  /** For dialling and HELLO together, in milliseconds. Default 10 s. */
  connectTimeoutMs?: number;
  /** How long to try to resume after the transport was lost, in milliseconds. Default: as long as the agent keeps the session. */
  graceMs?: number;
  /** `detail` is why it was lost or ended. */
  onState?: (state: LinkState, detail: Error | undefined) => void;
  /** Time, for tests. */
  clock?: LinkClock;
}

/**
 * Connects to an agent. The link survives the loss of its transport for the grace time: streams and calls wait meanwhile.
 *
 * @throws MirrordError LINK_TIMEOUT, LINK_LOST, AGENT_UNAUTHORIZED, AGENT_BUSY, PROTOCOL_MISMATCH, or what `dial` throws
 */
export async function connectTunnel(options: TunnelOptions): Promise<Tunnel> {
  const clock = options.clock ?? realClock;
  const { dial, connectTimeoutMs: limitMs = 10_000 } = options;
  const hello: ClientHello = {
    ...ownHello(),
    received: 0,
    token: options.token,
    clientName: options.clientName,
    clientVersion: VERSION,
  };
  const greeting = await dialAndGreet({ dial, hello, limitMs, setTimer: clock.setTimer });
  return new Tunnel(options, clock, hello, greeting);
}

/** A resumable link to one agent. */
export class Tunnel implements AgentLink {
  /** What the agent said of itself. */
  readonly agent: AgentHello;
  readonly closed: Promise<Error | undefined>;
  readonly #options: TunnelOptions;
  readonly #clock: LinkClock;
  readonly #hello: ClientHello;
  readonly #connection: Connection;
  readonly #ended = new AbortController();
  #state: LinkState = 'up';
  #transport: Transport | undefined;
  #leaveTransport: () => void = () => {};
  #hurry: () => void = () => {};
  #closing = false;

  constructor(options: TunnelOptions, clock: LinkClock, hello: ClientHello, greeting: Greeting) {
    this.#options = options;
    this.#clock = clock;
    this.#hello = { ...hello, session: greeting.agent.session };
    this.agent = greeting.agent;
    this.#connection = new Connection({
      role: 'client',
      ...clock,
      peerWindow: greeting.agent.window,
      peerFeatures: greeting.agent.features,
    });
    const stopWatching = watchForGaps({ ...clock, onGap: (ms) => this.#wakeUp(ms) });
    this.closed = new Promise((resolve) => {
      this.#connection.onClose((reason) => {
        stopWatching();
        const told = this.#closing
          ? undefined
          : (reason ?? new SessionError('LINK_LOST', 'the agent ended the session'));
        this.#ended.abort(told);
        this.#leaveTransport();
        this.#tell('ended', told);
        resolve(told);
      });
    });
    this.#attach({ ...greeting, agent: { ...greeting.agent, received: 0 } });
    this.#tell('up', undefined);
  }

  get state(): LinkState {
    return this.#state;
  }

  get unsent(): number {
    return this.#transport?.writableLength ?? 0;
  }

  /** Counts for tests and diagnosis. */
  get stats(): Connection['stats'] {
    return this.#connection.stats;
  }

  call<M extends MethodName>(method: M, params: Params<M>, options?: CallOptions): Promise<CallAnswer<M>> {
    return this.#connection.call(method, params, options) as Promise<CallAnswer<M>>;
  }

  open(metadata: OpenRequest, signal?: AbortSignal): Promise<MuxStream> {
    return this.#connection.open(metadata, signal);
  }

  onOpen(handler: (request: IncomingRequest) => void): void {
    // Agents open nothing else, and what the handler does not know it refuses.
    this.#connection.onOpen(handler as unknown as OpenHandler);
  }

  onEvent(handler: EventHandler): void {
    this.#connection.onEvent(handler);
  }

  /** Milliseconds to the agent and back. */
  ping(): Promise<number> {
    return this.#connection.ping();
  }

  async close(): Promise<void> {
    this.#closing = true;
    const transport = this.#transport;
    this.#connection.goaway(GoawayCode.NORMAL, '');
    if (!transport || transport.closed) return;
    await new Promise<void>((resolve) => {
      transport.once('close', resolve);
      // A transport that never says that it is closed holds nobody up.
      this.#clock.setTimer(2 * CLOSE_LIMIT, resolve);
    });
  }

  #attach({ transport, agent, rest }: Greeting): void {
    this.#transport = transport;
    const connection = this.#connection;
    const onLost = (error: Error | undefined) => {
      stopKeepalive();
      this.#transport = undefined;
      this.#leaveTransport = () => {};
      void this.#resume(error);
    };
    const release = wireDuplex(connection, transport, { peerReceived: agent.received, rest, onLost });
    const stopKeepalive = keepAlive({
      ...this.#clock,
      lastReceived: () => connection.lastReceived,
      ping: () => void connection.ping().catch(() => {}),
      onSilent: (ms) =>
        transport.destroy(new SessionError('LINK_LOST', `the agent was silent for ${Math.round(ms)} ms`)),
    });
    this.#leaveTransport = () => {
      stopKeepalive();
      release();
      closeSoon(transport, this.#clock.setTimer);
    };
    // What came behind HELLO may have ended the session already.
    if (connection.closed) this.#leaveTransport();
  }

  /** The process did not run for a while: the transport is very likely dead, and waiting to find out would take 15 s. */
  #wakeUp(sleptMs: number): void {
    this.#hurry();
    const transport = this.#transport;
    if (!transport) return;
    const { now, setTimer } = this.#clock;
    const asked = now();
    let answered = false;
    const onAnswer = () => {
      answered = true;
    };
    this.#connection.ping().then(onAnswer, () => {});
    setTimer(WAKE_LIMIT, () => {
      // Bytes alone prove little: what had arrived before the sleep is read now. A big frame may hold up the answer, though.
      const isAlive = answered || this.#connection.lastReceived - asked >= WAKE_LIMIT / 2;
      if (transport !== this.#transport || isAlive) return;
      const text = `the agent did not answer within ${WAKE_LIMIT / 1000} s after this process had not run for ${Math.round(sleptMs / 1000)} s`;
      transport.destroy(new SessionError('LINK_LOST', text));
    });
  }

  /** Never rejects: a link that cannot be resumed ends with the reason. */
  async #resume(cause: Error | undefined): Promise<void> {
    this.#tell('lost', cause);
    const { graceMs = this.agent.grace ?? GRACE, connectTimeoutMs = 10_000, dial } = this.#options;
    const connection = this.#connection;
    const { setTimer } = this.#clock;
    const { signal } = this.#ended;
    try {
      const greeting = await reconnect({
        ...this.#clock,
        graceMs,
        attemptMs: connectTimeoutMs,
        signal,
        onHurry: (hurry) => {
          this.#hurry = hurry;
        },
        attempt: (limitMs, signal) => {
          const hello = { ...this.#hello, received: connection.received };
          return dialAndGreet({ dial, hello, limitMs, setTimer, signal });
        },
      });
      if (connection.closed || !connection.canResumeFrom(greeting.agent.received)) {
        greeting.transport.destroy();
        throw new SessionError('LINK_LOST', 'the agent has another idea of what was sent than this end');
      }
      this.#hurry = () => {};
      this.#attach(greeting);
      this.#tell('resumed', undefined);
    } catch (error) {
      connection.end(asLinkError(error, cause, graceMs));
    }
  }

  #tell(state: LinkState, detail: Error | undefined): void {
    if (this.#state === 'ended') return;
    this.#state = state;
    this.#options.onState?.(state, detail);
  }
}

function asLinkError(error: unknown, cause: Error | undefined, graceMs: number): SessionError {
  if (error instanceof SessionError) return error;
  const last = (error as Error)?.message ?? String(error);
  const first = cause ? ` (lost because of: ${cause.message})` : '';
  return new SessionError(
    'LINK_LOST',
    `the link to the agent did not come back within ${graceMs / 1000} s: ${last}${first}`,
  );
}
