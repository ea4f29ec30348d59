import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { MirrordError } from '../errors';

/** Where administrators' programs are on distributions that keep them out of an ordinary user's PATH. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];

const found = new Map<string, string>();

/** Absolute path of a program, looked for in PATH and the system folders; undefined when it is not installed. */
export function findTool(name: string): string | undefined {
  const known = found.get(name);
  if (known !== undefined) return known;
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...SYSTEM_FOLDERS];
  for (const folder of folders) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      found.set(name, path);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** As `findTool`, but a missing program is an error that says what to install. */
export function requireTool(name: string): string {
  const path = findTool(name);
  if (path !== undefined) return path;
  throw new MirrordError(
    'PLAYGROUND_TOOL_MISSING',
    `The playground needs the program "${name}", which was not found.`,
    {
      hint: 'Run `mirrord playground doctor`: it lists what is missing and the line that installs it.',
      details: { tool: name },
    },
  );
}

export interface RunOptions {
  input?: string;
  env?: NodeJS.ProcessEnv;
  /** Milliseconds; the program is killed after that. */
  timeout?: number;
}

/**
 * Runs a program to its end and returns its stdout. Never synchronous: the same process answers pods' DNS questions.
 * @throws MirrordError PLAYGROUND_COMMAND_FAILED with the program's stderr.
 */
export function run(tool: string, args: string[], options: RunOptions = {}): Promise<string> {
  const { input, env, timeout = 10_000 } = options;
  const path = requireTool(tool);
  const label = `${tool} ${args.join(' ')}`.split('\n')[0]!.slice(0, 120);
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { stdio: ['pipe', 'pipe', 'pipe'], env, timeout, killSignal: 'SIGKILL' });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const fail = (why: string, cause?: unknown) =>
      reject(new MirrordError('PLAYGROUND_COMMAND_FAILED', `\`${label}\` ${why}: ${stderr.trim()}`, { cause }));
    child.on('error', (error) => fail('could not be started', error));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(stdout);
      else fail(signal === 'SIGKILL' ? `was killed (limit ${timeout} ms)` : `failed with code ${code ?? signal}`);
    });
    child.stdin.on('error', () => {
      // The program may end without reading its input; its exit code says what happened.
    });
    child.stdin.end(input);
  });
}
