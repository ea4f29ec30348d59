import type { Duplex } from 'node:stream';
import { AcceptedSession } from './accepted-session';
import { Connection } from './connection';
import { WindowBudget } from './credit';
import { closeSoon, writeBuffers } from './duplex-wire';
import { FrameType, makeFrame } from './frame';
import { encodeGoaway, GoawayCode } from './goaway';
import { type FirstFrame, readFirstFrame } from './greeting';
import { type AgentHello, type ClientHello, decodeClientHello, encodeHello, ownHello } from './hello';
import { GRACE, HELLO_LIMIT, MAX_GREETING, MAX_SESSIONS, MAX_STREAMS } from './limits';
import { type ParkedLimits, ParkedSessions } from './parked-sessions';
import { SessionError } from './session-error';
import type { Clock } from './timer';
import { describeVersions, settleFeatures, settleVersion } from './version';

export interface AcceptorOptions extends Clock, ParkedLimits {
  /** Compares in constant time. */
  verifyToken: (token: string) => boolean;
  /** What the agent says of itself in HELLO. */
  hello: () => { agentVersion: string };
  /** A new session; set its handlers here, before anything is read. */
  onSession: (connection: Connection, hello: ClientHello) => void;
  /** A client with the right token speaks no version that is spoken here. */
  onRefused?: (hello: ClientHello, text: string) => void;
  /** A session is over for good; `remaining` are still there, live or parked. */
  onSessionEnd?: (remaining: number) => void;
  /** How long a session whose transport is lost can be resumed, in milliseconds. */
  graceMs?: number;
  maxSessions?: number;
  maxStreams?: number;
  budget?: WindowBudget;
}

/** The agent's door: takes fresh transports, checks HELLO, and makes a session or gives the transport to the one it resumes. */
export class SessionAcceptor {
  readonly #options: AcceptorOptions;
  readonly #budget: WindowBudget;
  readonly #sessions = new Map<string, AcceptedSession>();
  readonly #parked: ParkedSessions;
  readonly #greeting = new Set<Duplex>();
  #closed = false;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#budget = options.budget ?? new WindowBudget();
    this.#parked = new ParkedSessions(options.setTimer, options);
  }

  /** Sessions that are there, live or parked. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Takes over a fresh transport. Never throws; a transport that does not say a proper HELLO is closed. */
  accept(duplex: Duplex): void {
    if (this.#closed || this.#greeting.size >= MAX_GREETING) {
      duplex.on('error', () => {});
      duplex.destroy();
      return;
    }
    this.#greeting.add(duplex);
    readFirstFrame(duplex, HELLO_LIMIT, this.#options.setTimer)
      .then((first) => this.#greet(duplex, first))
      .catch((error: Error) => this.#refuse(duplex, GoawayCode.PROTOCOL, error.message))
      .finally(() => this.#greeting.delete(duplex));
  }

  /** Ends all sessions with GOAWAY(shutdown). */
  close(text = 'the agent ends'): void {
    this.#closed = true;
    for (const session of [...this.#sessions.values()]) session.shutDown(text);
    for (const duplex of this.#greeting) duplex.destroy();
  }

  #greet(duplex: Duplex, first: FirstFrame): void {
    const hello = decodeClientHello(first.frame);
    // Before all else: a stranger learns nothing but that the token is wrong.
    if (!this.#options.verifyToken(hello.token)) {
      this.#refuse(duplex, GoawayCode.UNAUTHORIZED, 'wrong token');
      return;
    }
    if (settleVersion(ownHello(), hello) === undefined) {
      this.#refuseVersion(duplex, hello);
      return;
    }
    const isNew = hello.session === undefined;
    const session = isNew ? this.#create(duplex, hello) : this.#find(duplex, hello);
    if (!session) return;
    const answer = this.#agentHello(session.id, session.connection.received, hello);
    session.attach(duplex, answer, isNew ? 0 : hello.received, first.rest);
  }

  #agentHello(session: string, received: number, peer: ClientHello): AgentHello {
    const own = ownHello();
    const features = settleFeatures(own.features, peer.features);
    return { ...own, features, session, received, grace: this.#options.graceMs ?? GRACE, ...this.#options.hello() };
  }

  /** HELLO goes first, so that the client can name both versions. */
  #refuseVersion(duplex: Duplex, hello: ClientHello): void {
    const own = this.#agentHello('', 0, hello);
    const text = `the agent (${own.agentVersion}) speaks protocol ${describeVersions(own)}, the client (${hello.clientVersion}) ${describeVersions(hello)}`;
    writeBuffers(duplex, encodeHello(own));
    this.#refuse(duplex, GoawayCode.VERSION, text);
    this.#options.onRefused?.(hello, text);
  }

  #find(duplex: Duplex, hello: ClientHello): AcceptedSession | undefined {
    const session = this.#sessions.get(hello.session!);
    if (session?.connection.canResumeFrom(hello.received)) return session;
    this.#refuse(duplex, GoawayCode.UNKNOWN_SESSION, session ? 'the positions do not fit' : '');
    session?.connection.end(new SessionError(GoawayCode.UNKNOWN_SESSION, 'the positions do not fit'));
    return undefined;
  }

  #create(duplex: Duplex, hello: ClientHello): AcceptedSession | undefined {
    const { maxSessions = MAX_SESSIONS, maxStreams = MAX_STREAMS, graceMs = GRACE } = this.#options;
    // Somebody who is there comes before somebody who may come back.
    const isFull = this.#sessions.size >= maxSessions && !this.#parked.giveUpFirst('the agent has no room for more');
    if (this.#closed || isFull) {
      this.#refuse(duplex, GoawayCode.BUSY, `${this.#sessions.size} sessions`);
      return undefined;
    }
    const { now, setTimer, onSession, onSessionEnd } = this.#options;
    const connection = new Connection({
      role: 'agent',
      now,
      setTimer,
      peerWindow: hello.window,
      peerFeatures: hello.features,
      budget: this.#budget,
      maxStreams,
    });
    const session = new AcceptedSession(globalThis.crypto.randomUUID(), connection, {
      clock: { now, setTimer },
      graceMs,
      onParked: (parked) => this.#parked.set(session, parked),
    });
    this.#sessions.set(session.id, session);
    connection.onClose(() => {
      this.#sessions.delete(session.id);
      onSessionEnd?.(this.#sessions.size);
    });
    try {
      onSession(connection, hello);
    } catch (error) {
      connection.end(new SessionError('INTERNAL', `the session could not be set up: ${(error as Error)?.message}`));
      throw error;
    }
    return session;
  }

  /** One GOAWAY, then the end. */
  #refuse(duplex: Duplex, code: number, text: string): void {
    if (duplex.destroyed) return;
    writeBuffers(duplex, makeFrame(FrameType.GOAWAY, 0, 0, encodeGoaway({ code, lastStream: 0, text })).buffers);
    closeSoon(duplex, this.#options.setTimer);
  }
}
