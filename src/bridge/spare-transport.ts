import type { Dial, Transport } from '../tunnel/transport';

/**
 * Keeps one connection to the agent ready for the next process that attaches: they come in groups (a package manager, a
 * loader, the app), and a fresh port-forward costs several round trips.
 */
export class SpareTransport {
  private spare: Promise<Transport | undefined> | undefined;
  private closed = false;

  constructor(private readonly dial: Dial) {}

  /** A transport that nobody has used. Prepares the next one. Rejects as the dial does. */
  async take(): Promise<Transport> {
    // Taken before anything is awaited: two processes that attach at once must not be given the same one.
    const prepared = this.spare;
    this.spare = undefined;
    const spare = await prepared;
    const transport = spare && !spare.destroyed ? spare : await this.dial();
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

  /** The agent is another one now: what was prepared leads to the old one. */
  renew(): void {
    if (!this.spare) return;
    void this.spare.then((transport) => transport?.destroy());
    this.spare = undefined;
    this.prepare();
  }

  close(): void {
    this.closed = true;
    void this.spare?.then((transport) => transport?.destroy());
    this.spare = undefined;
  }

  /** The agent closes a connection that stays silent; there is no other one then until somebody attaches. */
  private watch(transport: Transport): Transport {
    if (this.closed) transport.destroy();
    transport.on('error', () => {});
    return transport;
  }
}
