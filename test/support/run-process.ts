import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const preload = `${root}register.cjs`;
export const cli = `${root}dist/cli.js`;

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Milliseconds from spawn to exit. */
  ms: number;
}

export interface SpawnOptions {
  args: string[];
  command?: string;
  env?: Record<string, string | undefined>;
  cwd?: string;
  limitMs?: number;
}

/** Runs a process to its end; kills it and rejects after the limit, with what it had printed. */
export function runProcess({
  command = process.execPath,
  args,
  env,
  cwd = root,
  limitMs = 30_000,
}: SpawnOptions): Promise<Outcome> {
  const started = performance.now();
  const merged: NodeJS.ProcessEnv = { ...process.env, ...env };
  for (const [name, value] of Object.entries(merged)) if (value === undefined) delete merged[name];
  // The runner's own variables would reach the app and change how libraries behave.
  for (const name of Object.keys(merged)) if (name.startsWith('VITEST')) delete merged[name];
  const child = spawn(command, args, { env: merged, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${args.join(' ')} still ran after ${limitMs / 1000} s\nstdout: ${stdout}\nstderr: ${stderr}`));
    }, limitMs);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr, ms: performance.now() - started });
    });
  });
}

/** The same, for a process that has to succeed and prints one JSON value. */
export async function runForJson<T = any>(options: SpawnOptions): Promise<T> {
  const { code, signal, stdout, stderr } = await runProcess(options);
  if (code !== 0)
    throw new Error(`${options.args.join(' ')} ended with ${code ?? signal}\nstdout: ${stdout}\nstderr: ${stderr}`);
  return JSON.parse(stdout) as T;
}
