import { HELLO_LIMIT } from '../protocol/limits';
import type { Dial, Transport } from '../tunnel/transport';

/** Milliseconds a connection may wait for somebody: the agent refuses one that says no HELLO in time. */
const SPARE_LIFE = HELLO_LIMIT - 2_000;

interface Spare {
  transport: Promise<Transport | undefined>;
  /** It is too old, or leads to an agent that is not the session's any more. */
  drop(): void;
}

/**
 * Keeps one connection to the agent ready for the next process that attaches: they come in groups (a package manager, a
 * loader, the app), and a fresh port-forward costs several round trips.
 */
export class SpareTransport {
  private spare: Spare | undefined;
  private closed = false;

  constructor(
    private readonly dial: Dial,
    private readonly lifeMs = SPARE_LIFE,
  ) {}

  /** A transport that nobody has used. Prepares the next one. Rejects as the dial does. */
  async take(): Promise<Transport> {
    // Taken before anything is awaited: two processes that attach at once must not be given the same one.
    const prepared = this.spare;
    this.spare = undefined;
    const spare = await prepared?.transport;
    const transport = spare && isFresh(spare) ? spare : await this.dial();
    this.prepare();
    return transport;
  }

  prepare(): void {
    if (this.closed || this.spare) return;
    const dialled = this.dial().then(
      (transport) => transport.on('error', () => {}),
      () => undefined,
    );
    const spare: Spare = {
      transport: dialled,
      drop: () => {
        clearTimeout(timer);
        // Taken meanwhile: it is somebody's.
        if (this.spare !== spare) return;
        this.spare = undefined;
        void dialled.then((transport) => transport?.destroy());
      },
    };
    const timer = setTimeout(spare.drop, this.lifeMs).unref();
    this.spare = spare;
  }

  /** There is another agent: what was prepared leads to the one before. */
  renew(): void {
    this.spare?.drop();
  }

  close(): void {
    this.closed = true;
    this.spare?.drop();
  }
}

/** Nobody reads a spare, so its end is not seen: bytes that wait in it are the agent's goodbye, as it never speaks first. */
function isFresh(transport: Transport): boolean {
  return !transport.destroyed && transport.readable && transport.readableLength === 0;
}
