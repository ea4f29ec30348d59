import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MirrordError } from '../errors';
import { launchPlayground } from '../playground/launch';
import { clearState, isAlive, prepareStateFolder, readState, writeState } from './playground-state';

export interface StartOptions {
  kubeconfig?: string;
  rootless?: boolean;
}

const DETACH_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 15_000;

/** Runs until a signal or the end of the playground; resolves to the exit code. */
export async function startInForeground(options: StartOptions): Promise<number> {
  refuseSecond();
  const folder = prepareStateFolder();
  const kubeconfig = resolve(options.kubeconfig ?? join(folder, 'kubeconfig'));
  const playground = await launchPlayground({ rootless: options.rootless });
  writeFileSync(kubeconfig, playground.kubeconfig, { mode: 0o600 });
  const server = `https://127.0.0.1:${playground.port}`;
  writeState({ pid: process.pid, server, kubeconfig, startedAt: new Date().toISOString() });
  process.stderr.write(`playground ready: ${server}\n  export KUBECONFIG=${kubeconfig}\n`);

  let stopping = false;
  const stop = () => {
    stopping = true;
    void playground.stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  const code = await playground.exited;
  clearState(process.pid);
  return stopping ? 0 : (code ?? 1);
}

/** Starts a background process that does the above, and returns when the playground is ready. */
export async function startDetached(options: StartOptions): Promise<void> {
  refuseSecond();
  const logFile = join(prepareStateFolder(), 'playground.log');
  const log = openSync(logFile, 'w', 0o600);
  const args = ['playground', 'start', ...(options.rootless ? ['--rootless'] : [])];
  if (options.kubeconfig) args.push('--kubeconfig', resolve(options.kubeconfig));
  const child = spawn(process.execPath, [process.argv[1] as string, ...args], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  child.unref();
  const deadline = Date.now() + DETACH_LIMIT_MS;
  while (readState()?.pid !== child.pid) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      throw new MirrordError('PLAYGROUND_START_FAILED', `the playground did not start:\n${tail(logFile)}`, {
        hint: 'Run "mirrord playground doctor": it says what this machine lacks.',
      });
    }
    await delay(20);
  }
  process.stderr.write(readFileSync(logFile, 'utf8'));
}

/** Resolves to whether there was one to stop. */
export async function stopPlayground(): Promise<boolean> {
  const state = readState();
  if (!state) return false;
  process.kill(state.pid, 'SIGTERM');
  const deadline = Date.now() + STOP_LIMIT_MS;
  while (isAlive(state.pid)) {
    // The kernel takes the namespaces down with their first process, so this loses nothing but politeness.
    if (Date.now() > deadline) process.kill(state.pid, 'SIGKILL');
    await delay(20);
  }
  clearState(state.pid);
  return true;
}

function refuseSecond(): void {
  const running = readState();
  if (!running) return;
  throw new MirrordError(
    'PLAYGROUND_RUNNING',
    `a playground is running already: ${running.server}, process ${running.pid}`,
    {
      hint: `Use it (export KUBECONFIG=${running.kubeconfig}) or stop it: mirrord playground stop`,
    },
  );
}

function tail(file: string): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
  } catch {
    return '(no output)';
  }
}
