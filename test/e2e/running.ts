import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/cluster';

export interface Running {
  child: ChildProcess;
  /** Lines of JSON that its standard output has held so far, its descendants' included. */
  lines: any[];
  stderr(): string;
  /** Waits for a line; rejects with all output when it does not come. */
  line(what: string, test: (line: any) => boolean, limitMs?: number): Promise<any>;
  /** Resolves when the process itself has ended, whoever still holds its streams. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

interface Spawning {
  cwd?: string;
  /** `pipe`: it is told by its standard input when to leave. */
  stdin?: 'ignore' | 'pipe';
  /** In a group of its own. */
  detached?: boolean;
}

/** Starts a Node process that goes on until it is killed or ends by itself, with these variables on top of this process's own. */
export function startRunning(
  args: string[],
  env: Record<string, string | undefined>,
  { cwd, stdin = 'ignore', detached = false }: Spawning = {},
): Running {
  const merged: NodeJS.ProcessEnv = { ...process.env, ...env };
  for (const name of Object.keys(merged))
    if (merged[name] === undefined || name.startsWith('VITEST')) delete merged[name];
  const child = spawn(process.execPath, args, { env: merged, cwd, detached, stdio: [stdin, 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  const lines: any[] = [];
  child.stdout!.on('data', (chunk) => {
    const parts = (out + chunk).split('\n');
    out = parts.pop()!;
    for (const part of parts) lines.push(JSON.parse(part));
  });
  child.stderr!.on('data', (chunk) => (err += chunk));
  return {
    child,
    lines,
    stderr: () => err,
    line: (what, test, limitMs = 30_000) =>
      eventually(
        what,
        async () => {
          const found = lines.find(test);
          if (found === undefined && child.exitCode) throw new Error(`${what}: it has ended with ${child.exitCode}`);
          return found;
        },
        limitMs,
      ).catch((error) => {
        throw new Error(`${error.message}\nstdout: ${JSON.stringify(lines)}\nstderr: ${err}`);
      }),
    exited: new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal }))),
  };
}

export interface Place {
  /** Working directory of the processes of one test: by it they, and helpers they start, are known. */
  cwd: string;
  /** TMPDIR of theirs: the control socket's folder is made in it. */
  tmp: string;
  write(name: string, text: string): void;
  /** Starts a process here. */
  run(args: string[], env: Record<string, string | undefined>): Running;
  processes(): number[];
  /** What lies in the temporary folder. */
  leftovers(): string[];
  /** Kills what runs here, and removes both folders. */
  remove(): void;
}

export function createPlace(prefix = 'mp-'): Place {
  const cwd = realpathSync(mkdtempSync(join(tmpdir(), prefix)));
  const tmp = mkdtempSync(join('/tmp', 'mt-'));
  const processes = () =>
    readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0 && `${cwdOf(pid)}/`.startsWith(`${cwd}/`));
  return {
    cwd,
    tmp,
    write: (name, text) => writeFileSync(join(cwd, name), text),
    run: (args, env) => startRunning(args, { TMPDIR: tmp, ...env }, { cwd }),
    processes,
    leftovers: () => readdirSync(tmp).filter((name) => name.startsWith('mirrord-')),
    remove() {
      for (const pid of processes()) kill(pid);
      rmSync(cwd, { recursive: true, force: true });
      rmSync(tmp, { recursive: true, force: true });
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

function cwdOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    // It has ended, or is not ours.
    return undefined;
  }
}
