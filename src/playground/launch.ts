import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { MirrordError } from '../errors';
import type { DenyRule } from './api/authorize';
import type { NodeSettings } from './node-settings';
import { requireTool } from './tools';
import { chooseIdMapping, userNamespaceArguments } from './user-namespace';

/** A cold machine with a slow disk needs seconds; more than this is a failure. */
const START_LIMIT = 30_000;
const STOP_LIMIT = 5_000;

export interface LaunchOptions {
  /** In a user namespace even when started by root. Default: only when not root. */
  rootless?: boolean;
  /** Port of the API on 127.0.0.1. Default: any free one. */
  port?: number;
  /** What the API server forbids. */
  deny?: DenyRule[];
  /** False: pods get IPv4 only. Default: both, where the kernel has IPv6. */
  ipv6?: boolean;
  /** Lines the node writes to its stderr. */
  onLog?(line: string): void;
  /** Folder with playground-node.cjs and agent.cjs. Default: where this code was built to. */
  bundles?: string;
}

export interface Playground {
  port: number;
  /** Process id of the outermost process of the cluster. */
  pid: number;
  /** YAML. Holds the bearer token: write it with mode 0600. */
  kubeconfig: string;
  /** Ends every process of the cluster. */
  stop(): Promise<void>;
  /** Resolves with the exit code when the cluster has ended, by itself or by `stop`. */
  exited: Promise<number | null>;
}

/**
 * First process of the new process namespace: reaps orphans, which Node does not do, and ends when the node ends, which makes the kernel
 * end everything else. A background job's stdin would be /dev/null, hence the detour over descriptor 4.
 */
const INIT = 'exec 4<&0; "$@" <&4 4<&- & exec 0<&- 3<&- 4<&-; wait $!';

/**
 * Starts an embedded cluster of one node. It ends with the calling process, also when that is killed.
 * @throws MirrordError PLAYGROUND_UNSUPPORTED, PLAYGROUND_TOOL_MISSING, PLAYGROUND_PORT_IN_USE, PLAYGROUND_START_FAILED
 */
export async function launchPlayground(options: LaunchOptions = {}): Promise<Playground> {
  if (process.platform !== 'linux') {
    throw new MirrordError(
      'PLAYGROUND_UNSUPPORTED',
      `The playground is made of Linux namespaces, which ${process.platform} does not have.`,
      {
        hint: 'Run it in a Linux virtual machine (Lima, WSL 2), or use kind or minikube.',
      },
    );
  }
  const bundles = options.bundles ?? findBundles();
  const listener = await listen(options.port ?? 0);
  const { port } = listener.address() as { port: number };
  const rootless = options.rootless ?? process.getuid!() !== 0;
  const settings: NodeSettings = {
    port,
    agentBundle: join(bundles, 'agent.cjs'),
    deny: options.deny,
    ipv6: options.ipv6,
  };
  const args = [
    ...(rootless ? userNamespaceArguments(await chooseIdMapping()) : []),
    ...['--net', '--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child', '/bin/sh', '-c', INIT, 'playground'],
    ...[process.execPath, join(bundles, 'playground-node.cjs'), JSON.stringify(settings)],
  ];
  // Its own session: a Ctrl-C in the terminal is for us to handle, not for every pod at once.
  const child = spawn(requireTool('unshare'), args, {
    stdio: ['pipe', 'pipe', 'pipe', (listener as any)._handle.fd],
    detached: true,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TZ: process.env.TZ },
    cwd: '/',
  });
  // The copy that the node inherited is the only one that may accept.
  listener.close();
  return supervise(child, port, options);
}

async function supervise(child: ChildProcess, port: number, options: LaunchOptions): Promise<Playground> {
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
    child.once('error', () => resolve(null));
  });
  child.stdin!.on('error', () => {
    // The node has ended; `exited` says so.
  });
  const recent: string[] = [];
  createInterface({ input: child.stderr! }).on('line', (line) => {
    recent.push(line);
    if (recent.length > 50) recent.shift();
    options.onLog?.(line);
  });
  const stop = async () => {
    child.stdin!.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT);
    await exited;
    clearTimeout(timer);
  };
  try {
    const { kubeconfig } = await firstLine(child, exited);
    return { port, pid: child.pid!, kubeconfig, stop, exited };
  } catch (error) {
    await stop();
    throw new MirrordError(
      'PLAYGROUND_START_FAILED',
      `The playground did not start: ${(error as Error).message}.\n${recent.join('\n')}`.trim(),
      {
        hint: 'Run `mirrord playground doctor`: it says what this machine lacks and how to mend it.',
        cause: error,
      },
    );
  }
}

/** The one line by which the node says that it is up. */
function firstLine(child: ChildProcess, exited: Promise<number | null>): Promise<{ kubeconfig: string }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`the node was not ready within ${START_LIMIT / 1000} s`)),
      START_LIMIT,
    );
    createInterface({ input: child.stdout! }).once('line', (line) => {
      clearTimeout(timer);
      try {
        resolve(JSON.parse(line));
      } catch {
        reject(new Error(`unexpected output: ${line}`));
      }
    });
    void exited.then(async (code) => {
      clearTimeout(timer);
      // Let its last words arrive first.
      await new Promise((later) => setTimeout(later, 50));
      reject(new Error(`it ended with code ${code}`));
    });
  });
}

function listen(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'PLAYGROUND_PORT_IN_USE' : 'PLAYGROUND_START_FAILED';
      reject(
        new MirrordError(code, `The playground's API cannot listen on 127.0.0.1:${port}: ${error.message}`, {
          hint: 'Choose another port, or none for any free one.',
          cause: error,
        }),
      );
    });
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** Beside this file once it is built; in `dist` when it runs from the sources. */
function findBundles(): string {
  const here = typeof __dirname === 'string' ? __dirname : dirname(fileURLToPath(import.meta.url));
  const candidates = [here, join(here, '../../dist')];
  const found = candidates.find((folder) => existsSync(join(folder, 'playground-node.cjs')));
  if (found) return found;
  throw new MirrordError(
    'PLAYGROUND_START_FAILED',
    `playground-node.cjs was not found in ${candidates.join(' or ')}.`,
    {
      hint: 'Build it first: npm run build.',
    },
  );
}
