import type { Socket } from 'node:net';
import type { SocketAddress } from '../../protocol/contract';
import type { Log } from '../log';
import { type Taken, toAddress } from './connections';
import { listenForPort, type PortListeners } from './listeners';
import type { Exemption, RuleHolder } from './rules/rules';
import { startRules } from './rules/start-rules';

/** Handshakes that were redirected just before the rule went are still accepted. */
const LISTENER_LINGER_MS = 1_000;

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
  readonly #ports = new Map<number, PortListeners>();
  /** Redirected connections that stand: the rules' holder has to stay for them. */
  readonly #live = new Set<Socket>();
  #holder: RuleHolder | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: TakenPortsOptions) {
    this.#options = options;
  }

  /** Resolves when new connections are redirected. Rejects when they cannot be. */
  take(port: number): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#ports.has(port)) return;
      const listeners = await listenForPort(port, (socket, podAddress) => this.#accept(socket, podAddress));
      this.#ports.set(port, listeners);
      try {
        this.#holder ??= await this.#startHolder();
        await this.#apply();
      } catch (error) {
        this.#ports.delete(port);
        listeners.close();
        this.#endLater();
        throw error;
      }
    });
  }

  /** Resolves when new connections stay with the pod. Never rejects: rules that cannot be changed are taken away whole. */
  leave(port: number): Promise<void> {
    return this.#inTurn(() => this.#leave([port]));
  }

  leaveAll(): Promise<void> {
    return this.#inTurn(() => this.#leave([...this.#ports.keys()]));
  }

  async #leave(ports: number[]): Promise<void> {
    this.#closeListeners(ports);
    try {
      await this.#apply();
    } catch (error) {
      this.#options.log.warn(`the traffic rules are taken away: ${(error as Error).message}`);
      this.#dropHolder();
      if (this.#ports.size > 0) this.#lose((error as Error).message);
    }
    this.#endLater();
  }

  async #apply(): Promise<void> {
    await this.#holder?.replace([...this.#ports.values()].flatMap(({ redirects }) => redirects));
  }

  async #startHolder(): Promise<RuleHolder> {
    const { exemption, log } = this.#options;
    return startRules(exemption, log, (reason) => {
      this.#lose(reason);
      this.#endLater();
    });
  }

  #lose(reason: string): void {
    this.#closeListeners(this.#ports.keys());
    this.#options.onLost(reason);
  }

  #closeListeners(ports: Iterable<number>): void {
    for (const port of ports) {
      const listeners = this.#ports.get(port);
      this.#ports.delete(port);
      if (listeners) setTimeout(listeners.close, LISTENER_LINGER_MS);
    }
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

  #endLater(): void {
    setTimeout(() => this.#endIfDrained(), LISTENER_LINGER_MS);
  }

  #endIfDrained(): void {
    void this.#inTurn(async () => {
      if (this.#ports.size === 0 && this.#live.size === 0) this.#dropHolder();
    });
  }

  #dropHolder(): void {
    const holder = this.#holder;
    this.#holder = undefined;
    holder?.close();
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(run);
    this.#queue = done.catch(() => {});
    return done;
  }
}
