import { spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import type { Duplex, Readable, Writable } from 'node:stream';
import { setprivArguments } from './capabilities';
import type { Container } from './container';
import { mayDropGroups } from './id-map';
import { childrenOf, signal } from './processes';
import { LineReader } from './sandbox';
import { quote } from './shell-quote';
import { findTool, requireTool, run } from './tools';
import type { ExecOptions, ExecProcess } from './types';

/** The command cannot be run in the container; the message is the OCI runtime's. */
export class ExecError extends Error {}

/** Runs inside the container: says whether the command exists, then becomes it. */
const SCRIPT = `
fail() { echo "error exec: $*" >&3; exit 127; }
workdir=$1 path=$2 command=$3
shift 3
cd "$workdir" 2>/dev/null || cd /
case $command in
*/*) [ -e "$command" ] || fail "\\"$command\\": stat $command: no such file or directory" ;;
*) (PATH=$path; command -v "$command") >/dev/null || fail "\\"$command\\": executable file not found in \\$PATH" ;;
esac
echo ready >&3
exec 3>&-
exec "$@"
`;

/** Runs a command in a container's namespaces with its environment and its rights. @throws ExecError */
export async function execInContainer(container: Container, options: ExecOptions): Promise<ExecProcess> {
  const { env, workingDir, security } = container.spec;
  const path = env.PATH ?? '/usr/bin:/bin';
  const assignments = Object.entries({ ...env, ...(options.tty ? { TERM: 'xterm' } : {}) }).map(
    ([k, v]) => `${k}=${v}`,
  );
  const tty = options.tty && findTool('script') !== undefined;
  const command = [requireTool('env'), '-i', ...assignments, ...options.command];
  const wrapped = tty
    ? // The pseudo terminal comes from the container's own /dev/pts, as with a runtime.
      [
        '/bin/sh',
        '-c',
        'exec "$0" -q -f -e -c "$1" /dev/null',
        requireTool('script'),
        `exec ${command.map(quote).join(' ')}`,
      ]
    : command;
  const child = spawn(
    requireTool('nsenter'),
    [
      ...['-t', String(container.pid), '-m', '-u', '-i', '-n', '-p', '-r', '--', '/bin/sh', '-c', SCRIPT, 'exec'],
      ...[workingDir, path, options.command[0]!],
      ...[requireTool('setpriv'), ...setprivArguments(security, mayDropGroups()), ...wrapped],
    ],
    {
      stdio: [options.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe'],
      env: { SHELL: '/bin/sh' },
      detached: true,
      cwd: '/',
    },
  );
  const exit = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, name) => resolve(name === null ? (code ?? 0) : 128 + constants.signals[name]));
  });
  exit.catch(() => {});
  child.stdin?.on('error', () => {
    // The command ended without reading everything: its exit code tells.
  });
  const control = child.stdio[3] as Duplex;
  const lines = new LineReader(control);
  const kill = () => killTree(child.pid!);
  try {
    const line = await lines.nextOrEnd(10_000);
    if (line?.startsWith('error ')) throw new ExecError(line.slice('error '.length));
    if (line !== 'ready') throw new ExecError(`exec: the container is not running`);
  } catch (error) {
    kill();
    throw error;
  } finally {
    control.on('error', () => {}).destroy();
  }
  return {
    stdin: child.stdin as Writable | null,
    stdout: child.stdout as Readable,
    stderr: options.tty ? null : (child.stderr as Readable),
    exit,
    resize: (columns, rows) => {
      if (tty && columns > 0 && rows > 0) void resize(container, child.pid!, columns, rows);
    },
    kill,
  };
}

/** nsenter stays as the parent of what it started in another process namespace, so that the whole line has to be ended. */
function killTree(pid: number): void {
  for (const child of childrenOf(pid)) killTree(child);
  signal(pid, 'SIGKILL');
}

async function resize(container: Container, pid: number, columns: number, rows: number): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const terminal = terminalBelow(pid);
    if (terminal) {
      const stty = [requireTool('stty'), '-F', terminal, 'cols', String(columns), 'rows', String(rows)];
      await run('nsenter', ['-t', String(container.pid), '-m', '-r', '--', ...stty]).catch(() => {
        // The command ended in between.
      });
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function terminalBelow(pid: number): string | undefined {
  for (const child of childrenOf(pid)) {
    try {
      const path = readlinkSync(`/proc/${child}/fd/0`);
      if (/^\/dev\/pts\/\d+$/.test(path)) return path;
    } catch {
      // It just ended.
    }
    const below = terminalBelow(child);
    if (below) return below;
  }
  return undefined;
}
