import type { AcceptedSession } from './accepted-session';
import { MAX_PARKED_BYTES, PARKED_CHECK } from './limits';
import type { SetTimer } from './timer';

export interface ParkedLimits {
  maxParkedBytes?: number;
}

/** Sessions whose clients are lost, in the order they were lost: a client that crashes again and again must not fill the agent. */
export class ParkedSessions {
  readonly #setTimer: SetTimer;
  readonly #maxBytes: number;
  readonly #sessions = new Set<AcceptedSession>();
  #cancelCheck: (() => void) | undefined;

  constructor(setTimer: SetTimer, { maxParkedBytes = MAX_PARKED_BYTES }: ParkedLimits) {
    this.#setTimer = setTimer;
    this.#maxBytes = maxParkedBytes;
  }

  set(session: AcceptedSession, parked: boolean): void {
    this.#sessions.delete(session);
    if (parked) this.#sessions.add(session);
    this.#check();
  }

  /** Gives up the one that was lost first. False = there is none. */
  giveUpFirst(why: string): boolean {
    const [first] = this.#sessions;
    if (!first) return false;
    this.#sessions.delete(first);
    first.giveUp(`${why}; this one was lost first`);
    return true;
  }

  #check(): void {
    while (this.#sessions.size > 1 && this.#keptBytes() > this.#maxBytes) {
      this.giveUpFirst(`the agent keeps ${this.#maxBytes} bytes for sessions without a client`);
    }
    this.#cancelCheck?.();
    // Servers in the pod go on sending, and what they send is kept as well.
    const recheck = this.#sessions.size > 1;
    this.#cancelCheck = recheck ? this.#setTimer(PARKED_CHECK, () => this.#check()) : undefined;
  }

  #keptBytes(): number {
    let sum = 0;
    for (const { connection } of this.#sessions) sum += connection.keptBytes;
    return sum;
  }
}
