import type { Duplex } from 'node:stream';
import type { Connection } from './connection';
import { closeSoon, wireDuplex, writeBuffers } from './duplex-wire';
import { GoawayCode } from './goaway';
import { type AgentHello, encodeHello } from './hello';
import { keepAlive } from './keepalive';
import { SessionError } from './session-error';
import type { Clock } from './timer';

/** A session on the agent: its connection, the transport it has now, and the time it is kept without one. */
export class AcceptedSession {
  readonly id: string;
  readonly connection: Connection;
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #onParked: (parked: boolean) => void;
  /** Takes the session off its transport and closes that. */
  #leave: () => void = () => {};
  #cancelGrace: () => void = () => {};

  /** @param onParked the session waits for its client, or does not any more: the client is back, or it is over */
  constructor(
    id: string,
    connection: Connection,
    { clock, graceMs, onParked }: { clock: Clock; graceMs: number; onParked: (parked: boolean) => void },
  ) {
    this.id = id;
    this.#onParked = onParked;
    this.connection = connection;
    this.#clock = clock;
    this.#graceMs = graceMs;
    connection.onClose(() => {
      this.#cancelGrace();
      this.#onParked(false);
      this.#leave();
    });
  }

  /** First transport or a further one. The one before may be half dead and not know it: it gives way. */
  attach(duplex: Duplex, hello: AgentHello, peerReceived: number, rest: Uint8Array): void {
    this.#leave();
    this.#cancelGrace();
    this.#onParked(false);
    writeBuffers(duplex, encodeHello(hello));
    const release = wireDuplex(this.connection, duplex, {
      peerReceived,
      rest,
      onLost: () => this.#park(stopKeepalive),
    });
    const stopKeepalive = keepAlive({
      ...this.#clock,
      lastReceived: () => this.connection.lastReceived,
      ping: () => void this.connection.ping().catch(() => {}),
      onSilent: () => duplex.destroy(),
    });
    const leave = () => {
      stopKeepalive();
      release();
      // A GOAWAY may still be on its way out.
      closeSoon(duplex, this.#clock.setTimer);
    };
    this.#leave = leave;
    // What came behind HELLO may have ended the session already.
    if (this.connection.closed) leave();
  }

  shutDown(text: string): void {
    this.connection.goaway(GoawayCode.SHUTDOWN, text, new SessionError('LINK_LOST', text));
  }

  /** Releases a session that waits for its client. */
  giveUp(text: string): void {
    this.connection.end(new SessionError('LINK_LOST', text));
  }

  #park(stopKeepalive: () => void): void {
    stopKeepalive();
    this.#leave = () => {};
    if (this.connection.closed) return;
    this.#cancelGrace = this.#clock.setTimer(this.#graceMs, () => {
      this.giveUp(`the client did not come back within ${this.#graceMs / 1000} s`);
    });
    this.#onParked(true);
  }
}
