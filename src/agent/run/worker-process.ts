import { type ChildProcess, type SendHandle, spawn } from 'node:child_process';
import { MirrordError } from '../../errors';
import type { FromWorker, ToWorker } from './messages';
import { WORKER_ARGUMENT } from './messages';

/** From spawn to serving: two process starts on a busy node. */
const START_LIMIT_MS = 20_000;
/** What is kept of the worker's first words, for the error message. */
const MAX_WORDS = 2_000;
/** nsenter is part of util-linux; images with a short PATH still have it in one of these. */
const TOOL_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** In MB. With V8's own 16 it keeps three bytes of garbage for each two of a connection that is idle. */
const YOUNG_GENERATION = '--max-semi-space-size=4';

export interface WorkerProcess {
  /** Settles when the worker serves; rejects with AGENT_WORKER_FAILED or NSENTER_MISSING when it cannot. */
  readonly serving: Promise<void>;
  /** Exit code or signal, as `exit` of a child process tells them. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  send(message: ToWorker, handle?: SendHandle): void;
  kill(): void;
}

/**
 * Starts this very program again inside the target's network and UTS namespaces; it keeps the agent's own files and
 * process namespace. The IPC channel is inherited through nsenter.
 */
export function startWorker(targetPid: number): WorkerProcess {
  const { MIRRORD_AGENT_TOKEN: _secret, ...env } = process.env;
  const command = [process.execPath, ...process.execArgv, YOUNG_GENERATION, process.argv[1]!, WORKER_ARGUMENT];
  const child = spawn('nsenter', ['--target', String(targetPid), '--net', '--uts', '--', ...command], {
    // stdout is the supervisor's alone: it holds the one line that says the agent is ready.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...env, PATH: [...(env.PATH ? [env.PATH] : []), ...TOOL_FOLDERS].join(':') },
  });
  const words = passOn(child);
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    // An error without a process id: it was never started, and there will be no `exit`.
    child.on('error', () => child.pid === undefined && resolve({ code: null, signal: null }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const serving = whenServing(child, words);
  // It may fail while its owner is still busy with something else, and is asked for afterwards.
  serving.catch(() => {});
  return {
    serving,
    ended,
    // The callback takes the error of a worker that has just died; its end is reported by `ended`.
    send: (message, handle) => void (child.connected && child.send(message, handle, {}, () => {})),
    kill: () => void child.kill('SIGKILL'),
  };
}

/** The worker's log goes to our stderr; the start of it is kept. */
function passOn(child: ChildProcess): () => string {
  let kept = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    if (kept.length < MAX_WORDS) kept += chunk.toString('utf8');
    process.stderr.write(chunk);
  });
  return () => kept.slice(0, MAX_WORDS).trim();
}

function whenServing(child: ChildProcess, words: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (code: string, text: string, hint: string) => {
      clearTimeout(limit);
      reject(new MirrordError(code, text, { hint }));
    };
    const limit = setTimeout(() => {
      fail(
        'AGENT_WORKER_FAILED',
        `the worker did not serve within ${START_LIMIT_MS / 1000} s`,
        'The node may be overloaded.',
      );
    }, START_LIMIT_MS);
    child.once('message', (message: FromWorker) => {
      clearTimeout(limit);
      if (message.type === 'serving') resolve();
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      const missing = error.code === 'ENOENT';
      fail(
        missing ? 'NSENTER_MISSING' : 'AGENT_WORKER_FAILED',
        missing ? 'nsenter was not found in the agent image' : `nsenter could not be started: ${error.code}`,
        missing ? 'Use an image with util-linux.' : 'See the error code.',
      );
    });
    // After `close` all of its stderr has been read.
    child.once('close', (code, signal) => {
      fail(
        'AGENT_WORKER_FAILED',
        `the worker ended before it served (${signal ?? `exit code ${code}`}): ${words()}`,
        'Entering the target needs hostPID and the capabilities SYS_ADMIN and SYS_PTRACE.',
      );
    });
  });
}
