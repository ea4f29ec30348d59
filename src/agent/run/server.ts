import { createHash, timingSafeEqual } from 'node:crypto';
import type { Server, Socket } from 'node:net';
import { SessionAcceptor } from '../../protocol/acceptor';
import { VERSION_HINT } from '../../protocol/version';
import { VERSION } from '../../version';
import type { AgentSettings } from '../arguments';
import { RecordResolver } from '../dns/records';
import { Incoming } from '../incoming/incoming';
import type { Log } from '../log';
import type { Counts } from '../metrics';
import type { Outgoing } from '../outgoing';
import type { Target } from '../target/target';
import { DRAIN_MS, EXIT } from './messages';
import { serveSession } from './session';

/** All sessions of one agent, and when it is time to go. */
export class AgentServer {
  readonly #settings: AgentSettings;
  readonly #log: Log;
  readonly #acceptor: SessionAcceptor;
  readonly #incoming: Incoming;
  readonly #sockets = new Set<Socket>();
  readonly #outgoing = new Set<Outgoing>();
  #target: Target;
  #leaving: NodeJS.Timeout | undefined;
  #listener: Server | undefined;
  #stopped = false;
  #end!: (code: number) => void;
  readonly #ended = new Promise<number>((resolve) => {
    this.#end = resolve;
  });

  constructor(settings: AgentSettings, target: Target, log: Log) {
    this.#settings = settings;
    this.#target = target;
    this.#log = log;
    this.#incoming = new Incoming(incomingOptions(settings, log));
    const context = {
      target: () => this.#target,
      resolver: new RecordResolver(),
      incoming: this.#incoming,
      outgoing: this.#outgoing,
    };
    this.#acceptor = new SessionAcceptor({
      verifyToken: tokenVerifier(settings.token),
      hello: () => ({ agentVersion: VERSION }),
      graceMs: settings.grace * 1000,
      now: () => performance.now(),
      setTimer: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
      onSession: (connection, hello) => {
        this.#stay();
        log.info('session started', { client: hello.clientName, sessions: this.#acceptor.sessions });
        serveSession(connection, hello.clientName, context, log);
      },
      onRefused: ({ clientName }, text) =>
        log.warn(`a client was refused: ${text}. ${VERSION_HINT}`, { client: clientName }),
      onSessionEnd: (remaining) => {
        if (remaining === 0) this.#leaveAfter(settings.idleTimeout, `no session for ${settings.idleTimeout} s`);
      },
    });
  }

  counts(): Counts {
    const outgoing = [...this.#outgoing].reduce((sum, { size }) => sum + size, 0);
    return {
      client_count: this.#acceptor.sessions,
      tcp_outgoing_connection_count: outgoing,
      ...this.#incoming.counts(),
    };
  }

  /** Takes connections until it is time to end; resolves with the exit code. */
  serve(listener: Server): Promise<number> {
    this.#listener = listener;
    listener.on('connection', (socket) => this.accept(socket));
    listener.on('error', (error) => this.#log.error(`the listener failed: ${error.message}`));
    const { communicationTimeout } = this.#settings;
    this.#leaveAfter(communicationTimeout, `no client came within ${communicationTimeout} s`);
    return this.#ended;
  }

  accept(socket: Socket): void {
    if (this.#stopped) return void socket.destroy();
    this.#sockets.add(socket.setNoDelay(true));
    socket.on('close', () => this.#sockets.delete(socket));
    this.#acceptor.accept(socket);
  }

  replaceTarget(target: Target): void {
    const previous = this.#target;
    this.#target = target;
    previous.close();
  }

  /** Tells the clients, waits until they have gone or the time is over, takes the traffic rules away, then ends with code 0. Once. */
  stop(reason: string): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stay();
    this.#log.info(`ending: ${reason}`);
    this.#listener?.close();
    this.#incoming.stop();
    this.#acceptor.close(reason);
    const end = () => void this.#incoming.end().then(() => this.#end(EXIT.ok));
    setTimeout(end, DRAIN_MS);
    for (const socket of this.#sockets) socket.on('close', () => this.#sockets.size === 0 && end());
    if (this.#sockets.size === 0) setImmediate(end);
  }

  #leaveAfter(seconds: number, why: string): void {
    if (this.#stopped) return;
    clearTimeout(this.#leaving);
    this.#leaving = setTimeout(() => this.stop(why), seconds * 1000);
  }

  #stay(): void {
    clearTimeout(this.#leaving);
  }
}

/** Our own connections over IPv4 come from there where no group tells them: nobody else uses it. */
const OWN_ADDRESS = '127.6.6.6';

function incomingOptions({ target }: AgentSettings, log: Log) {
  const group = process.getgid?.() || undefined;
  const exemption = { address: OWN_ADDRESS, group };
  if (!target) return { exemption, log, unsupported: 'without a target there is no pod whose traffic could be taken' };
  if (target.hostNetwork) {
    return {
      exemption,
      log,
      unsupported: 'the pod uses the network of its node: its ports are those of the whole node',
    };
  }
  return { exemption, log };
}

/** Compares digests: equal in length whatever was sent, and in constant time. */
function tokenVerifier(expected: string): (token: string) => boolean {
  const digest = (token: string) => createHash('sha256').update(token).digest();
  const right = digest(expected);
  return (token) => typeof token === 'string' && timingSafeEqual(digest(token), right);
}
