import { HELLO_LIMIT } from '../protocol/limits';
import type { Dial, Transport } from '../tunnel/transport';

const now = performance.now.bind(performance);

/** The agent ends a connection that does not say HELLO in time; one that is about to be ended is of no use either. */
const MAX_AGE = HELLO_LIMIT / 2;

interface Spare {
  transport: Transport;
  since: number;
}

/**
 * Keeps one connection to the agent ready for the next process that attaches: they come in groups (a package manager, a
 * loader, the app), and a fresh port-forward costs several round trips.
 */
export class SpareTransport {
  private spare: Promise<Spare | undefined> | undefined;
  private closed = false;

  /** @param maxAgeMs from when on a connection that waits is not used any more */
  constructor(
    private readonly dial: Dial,
    private readonly maxAgeMs = MAX_AGE,
  ) {}

  /** A transport that nobody has used. Prepares the next one. Rejects as the dial does. */
  async take(): Promise<Transport> {
    // Taken before anything is awaited: two processes that attach at once must not be given the same one.
    const prepared = this.spare;
    this.spare = undefined;
    const spare = await prepared;
    const usable = spare !== undefined && this.isUsable(spare);
    if (!usable) spare?.transport.destroy();
    const transport = usable ? spare.transport : await this.dial();
    this.prepare();
    return transport;
  }

  prepare(): void {
    if (this.closed || this.spare) return;
    this.spare = this.dial().then(
      (transport) => this.watch(transport),
      () => undefined,
    );
  }

  /** There is another agent: what was prepared leads to the one before. */
  renew(): void {
    void this.spare?.then((spare) => spare?.transport.destroy());
    this.spare = undefined;
  }

  close(): void {
    this.closed = true;
    this.renew();
  }

  private watch(transport: Transport): Spare {
    if (this.closed) transport.destroy();
    transport.on('error', () => {});
    return { transport, since: now() };
  }

  /** Nobody reads a spare, so its end is not seen: bytes that wait in it are the agent's goodbye, as it never speaks first. */
  private isUsable({ transport, since }: Spare): boolean {
    return transport.readable && transport.readableLength === 0 && now() - since < this.maxAgeMs;
  }
}
