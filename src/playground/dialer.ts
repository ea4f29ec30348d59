import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Sandbox } from './sandbox';
import { requireTool } from './tools';

/** A port of a pod that cannot be reached; the message is containerd's. */
export class DialError extends Error {}

interface Reply {
  id: number;
  code?: string;
}

/**
 * The program of the helper: it connects to the port it is told and hands the connected socket over. Self-contained, because its
 * source text is what the helper runs. The socket is paused before it connects, so that no byte is read on the wrong side.
 */
function connectAndHandOver(net: typeof import('node:net')): void {
  process.on('message', ({ id, port }: { id: number; port: number }) => {
    const socket = new net.Socket();
    socket.pause();
    socket.once('error', (error: NodeJS.ErrnoException) => process.send!({ id, code: error.code }));
    socket.connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true } as never, () => {
      process.send!({ id }, (socket as never as { _handle: never })._handle, { keepOpen: true }, () =>
        socket.destroy(),
      );
    });
  });
  process.on('disconnect', () => process.exit());
}

/**
 * Opens TCP connections to 127.0.0.1 of a pod, as a container runtime's port-forward does. Node cannot change its network namespace, but
 * a socket stays in the one it was made in: a helper process inside the pod makes it.
 */
export class Dialer {
  readonly #sandbox: Sandbox;
  readonly #pending = new Map<number, { resolve(socket: Socket): void; reject(error: Error): void }>();
  #helper: ChildProcess | undefined;
  #next = 1;

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /** Starts the helper ahead of the first connection. */
  warmUp(): void {
    this.#start();
  }

  /** @throws DialError when the port refuses; an error after `limit` milliseconds without an answer */
  dial(port: number, sandboxId: string, limit = 30_000): Promise<Socket> {
    const helper = this.#start();
    const id = this.#next++;
    return new Promise<Socket>((resolve, reject) => {
      const timer = setTimeout(() => settle(new Error('i/o timeout')), limit);
      const settle = (result: Socket | Error) => {
        clearTimeout(timer);
        this.#pending.delete(id);
        if (result instanceof Socket) resolve(result);
        else reject(new DialError(refusal(port, sandboxId, result.message)));
      };
      this.#pending.set(id, { resolve: settle, reject: settle });
      helper.send({ id, port }, (error) => error && settle(error));
    });
  }

  close(): void {
    this.#helper?.kill('SIGKILL');
    this.#helper = undefined;
    for (const { reject } of this.#pending.values()) reject(new Error('the pod is being deleted'));
  }

  #start(): ChildProcess {
    if (this.#helper?.connected) return this.#helper;
    const source = `(${connectAndHandOver})(require('node:net'))`;
    const helper = spawn(
      requireTool('nsenter'),
      ['-t', String(this.#sandbox.pid), '-n', '--', process.execPath, '--max-old-space-size=32', '-e', source],
      { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: {}, cwd: '/', detached: true },
    );
    helper.on('message', (reply: Reply, handle: unknown) => {
      const waiting = this.#pending.get(reply.id);
      const socket = handle ? new Socket({ handle, allowHalfOpen: true } as never) : undefined;
      if (!waiting) socket?.destroy();
      else if (socket) waiting.resolve(socket.setNoDelay(true));
      else
        waiting.reject(
          new Error(reply.code === 'ECONNREFUSED' ? 'connection refused' : (reply.code ?? 'unknown error')),
        );
    });
    helper.on('error', () => this.#lose(helper));
    helper.on('exit', () => this.#lose(helper));
    this.#helper = helper;
    return helper;
  }

  #lose(helper: ChildProcess): void {
    if (this.#helper !== helper) return;
    this.#helper = undefined;
    for (const { reject } of this.#pending.values()) reject(new Error('the helper process ended'));
  }
}

function refusal(port: number, id: string, cause: string): string {
  return `failed to execute portforward in network namespace "/var/run/netns/cni-${id.slice(0, 32)}": failed to connect to localhost:${port} inside namespace "${id}", IPv4: dial tcp4 127.0.0.1:${port}: connect: ${cause} IPv6 dial tcp6: address localhost: no suitable address found `;
}
