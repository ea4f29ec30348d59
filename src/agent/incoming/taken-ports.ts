import type { Socket } from 'node:net';
import type { SocketAddress } from '../../protocol/contract';
import type { Log } from '../log';
import { type Taken, toAddress } from './connections';
import { listenForPort, type PortListeners } from './listeners';
import type { Exemption, RuleHolder } from './rules/rules';
import { startRules } from './rules/start-rules';

/** Handshakes that were redirected just before the rule went are still accepted. */
const LINGER_MS = 1_000;

export interface TakenPortsOptions {
  exemption: Exemption;
  log: Log;
  onConnection(taken: Taken): void;
  /** The rules went away by themselves. */
  onLost(reason: string): void;
}

/** Ports whose new connections come to this agent: listeners, and the rules that lead to them. */
export class TakenPorts {
  readonly #options: TakenPortsOptions;
  readonly #taken = new Set<number>();
  /**
   * As long as the rules' holder, also for ports that were left: what was redirected is still to be accepted, and the kernel may
   * send a caller here who comes again from the port of a connection that it takes for alive.
   */
  readonly #listeners = new Map<number, PortListeners>();
  /** Redirected connections that stand: the rules' holder has to stay for them. */
  readonly #live = new Set<Socket>();
  #lastLeftAt = 0;
  #holder: RuleHolder | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: TakenPortsOptions) {
    this.#options = options;
  }

  /** Redirected connections that stand. */
  get connections(): number {
    return this.#live.size;
  }

  /** Resolves when new connections are redirected. Rejects when they cannot be. */
  take(port: number): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#taken.has(port)) return;
      try {
        await this.#listen(port);
        this.#taken.add(port);
        this.#holder ??= await this.#startHolder();
        await this.#apply();
      } catch (error) {
        this.#forget([port]);
        throw error;
      }
    });
  }

  /** Resolves when new connections stay with the pod. Never rejects: rules that cannot be changed are taken away whole. */
  leave(port: number): Promise<void> {
    return this.#inTurn(() => this.#leave([port]));
  }

  leaveAll(): Promise<void> {
    return this.#inTurn(() => this.#leave([...this.#taken]));
  }

  /** Takes the rules away, whatever is still redirected. Resolves when the process may end; never rejects. */
  end(): Promise<void> {
    return this.#inTurn(async () => {
      this.#taken.clear();
      await this.#end();
    });
  }

  async #leave(ports: number[]): Promise<void> {
    this.#forget(ports);
    try {
      await this.#apply();
    } catch (error) {
      this.#options.log.warn(`the traffic rules are taken away: ${(error as Error).message}`);
      void this.#end();
      if (this.#taken.size > 0) this.#lose((error as Error).message);
    }
  }

  async #listen(port: number): Promise<void> {
    if (this.#listeners.has(port)) return;
    const listeners = await listenForPort(port, (socket, podAddress) => this.#accept(socket, podAddress));
    this.#listeners.set(port, listeners);
  }

  async #apply(): Promise<void> {
    await this.#holder?.replace([...this.#taken].flatMap((port) => this.#listeners.get(port)?.redirects ?? []));
  }

  async #startHolder(): Promise<RuleHolder> {
    const { exemption, log } = this.#options;
    return startRules(exemption, log, (reason) => this.#lose(reason));
  }

  #lose(reason: string): void {
    this.#forget([...this.#taken]);
    this.#options.onLost(reason);
  }

  #forget(ports: number[]): void {
    for (const port of ports) this.#taken.delete(port);
    this.#lastLeftAt = performance.now();
    setTimeout(() => this.#endIfDrained(), LINGER_MS);
  }

  #accept(socket: Socket, podAddress: SocketAddress): void {
    this.#live.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#live.delete(socket);
      this.#endIfDrained();
    });
    const peerAddress = toAddress(socket.remoteAddress, socket.remotePort);
    this.#options.onConnection({ socket, podAddress, peerAddress });
  }

  #endIfDrained(): void {
    if (this.#taken.size > 0 || this.#live.size > 0) return;
    void this.#inTurn(async () => {
      const lingers = performance.now() - this.#lastLeftAt < LINGER_MS - 1;
      if (this.#taken.size === 0 && this.#live.size === 0 && !lingers) await this.#end();
    });
  }

  async #end(): Promise<void> {
    const holder = this.#holder;
    this.#holder = undefined;
    for (const listeners of this.#listeners.values()) listeners.close();
    this.#listeners.clear();
    await holder?.close();
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(run);
    this.#queue = done.catch(() => {});
    return done;
  }
}
