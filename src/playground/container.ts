import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Duplex, Writable } from 'node:stream';
import { STATE_FOLDER } from './addresses';
import { type SecurityContext, setprivArguments } from './capabilities';
import { markProcess } from './cgroup-mark';
import { mayDropGroups } from './id-map';
import type { Image } from './images';
import type { ContainerLog } from './log-store';
import { createOutputPipe } from './output-pipe';
import { killSurvivors, mountNamespaceOf, signal } from './processes';
import { layOutRoot, type Mount } from './rootfs';
import { LineReader, type Sandbox } from './sandbox';
import { findTool, requireTool } from './tools';

/** The command could not be started; the message is the OCI runtime's. */
export class StartError extends Error {
  readonly containerId: string;

  constructor(containerId: string, message: string) {
    super(
      `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: ${message}`,
    );
    this.containerId = containerId;
  }
}

/** Milliseconds that output may come after the end of a container. */
const DRAIN_LIMIT = 2_000;

export interface ContainerSpec {
  podUid: string;
  name: string;
  qosClass: string;
  image: Image;
  command: string[];
  env: Record<string, string>;
  workingDir: string;
  mounts: Mount[];
  security: SecurityContext;
  hostPID: boolean;
  stdin: boolean;
  terminationMessagePath: string;
  /** Init process of the container whose processes an ephemeral container shares. */
  targetPid?: number;
}

export interface Exit {
  /** 128 + n after signal n. */
  code: number;
  signal: number | undefined;
  message: string;
}

/**
 * Completes the container's root in its own mount namespace, makes it the root, and becomes the application. On descriptor 3 it tells
 * its process id, that it is ready, or what failed; it goes on when the node says so, after it has marked the process.
 */
const SCRIPT = `
fail() { echo "error $*" >&3; exit 128; }
fstab=$1 root=$2 workdir=$3 path=$4 readonly=$5
command=$6
shift 6
read -r pid rest < /proc/self/stat
echo "pid $pid" >&3
MOUNT -a -T "$fstab" 2>&3 || fail "mounting the root failed"
if [ -n "$readonly" ]; then MOUNT -o remount,bind,ro "$root" 2>&3 || fail "remounting the root failed"; fi
cd "$root" && PIVOT_ROOT . .old 2>&3 || fail "pivot_root failed"
cd /
UMOUNT -l /.old 2>&3 || fail "leaving the old root failed"
rmdir /.old 2>/dev/null
[ -d "$workdir" ] || mkdir -p "$workdir" 2>/dev/null
cd "$workdir" 2>/dev/null || fail "unable to start container process: chdir to cwd (\\"$workdir\\") set in config.json failed: no such file or directory"
case $command in
*/*)
  [ -e "$command" ] || fail "unable to start container process: exec: \\"$command\\": stat $command: no such file or directory"
  { [ -f "$command" ] && [ -x "$command" ]; } || fail "unable to start container process: exec: \\"$command\\": permission denied" ;;
*) (PATH=$path; command -v "$command") >/dev/null || fail "unable to start container process: exec: \\"$command\\": executable file not found in \\$PATH" ;;
esac
echo ready >&3
read -r go <&3 || exit 128
exec 3>&-
exec "$@"
`;

/** A running container. */
export class Container {
  readonly id: string;
  readonly spec: ContainerSpec;
  readonly startedAt = new Date();
  /** Its first process, as the node sees it. */
  readonly pid: number;
  readonly stdin: Writable | undefined;
  readonly exited: Promise<Exit>;
  readonly folder: string;
  #hasExited = false;

  private constructor(
    id: string,
    spec: ContainerSpec,
    pid: number,
    child: ChildProcess,
    folder: string,
    output: Drain,
  ) {
    this.id = id;
    this.spec = spec;
    this.pid = pid;
    this.folder = folder;
    this.stdin = child.stdin ?? undefined;
    this.stdin?.on('error', () => {
      // The application closed its stdin; an attached client notices by the exit.
    });
    const mountNamespace = mountNamespaceOf(pid);
    // As long as somebody holds it, the kernel gives its number to no other: survivors are found by that number.
    const held = holdMountNamespace(pid);
    this.exited = new Promise((resolve) => {
      child.once('exit', async (code, name) => {
        this.#hasExited = true;
        // Without the hold the number may be that of a container which is just starting.
        if (mountNamespace && held !== undefined) killSurvivors(mountNamespace);
        if (held !== undefined) closeSync(held);
        // Somebody outside may still hold the pipe: what the container itself wrote has arrived by then.
        const timer = setTimeout(() => output.cut(), DRAIN_LIMIT);
        await output.done;
        clearTimeout(timer);
        const number = name === null ? undefined : constants.signals[name];
        const message = this.#terminationMessage();
        resolve({ code: number === undefined ? (code ?? 0) : 128 + number, signal: number, message });
      });
    });
  }

  /**
   * Starts a container in a pod's namespaces. Resolves when its first process is about to run and has its mark.
   * @throws StartError when the command does not exist or the root cannot be made
   */
  static async start(sandbox: Sandbox, spec: ContainerSpec, log: ContainerLog): Promise<Container> {
    const id = randomBytes(32).toString('hex');
    const folder = join(STATE_FOLDER, 'containers', id);
    const root = join(folder, 'root');
    mkdirSync(root, { recursive: true });
    const { hostPID, security, image } = spec;
    const privileged = security.privileged === true;
    const fstab = join(folder, 'fstab');
    const { mounts, terminationMessagePath } = spec;
    try {
      writeFileSync(fstab, layOutRoot({ root, image, mounts, hostPID, privileged, terminationMessagePath }));
    } catch (error) {
      throw new StartError(id, `unable to start container process: ${(error as Error).message}`);
    }
    const output = await createOutputPipe(folder);
    const enter = ['-t', String(sandbox.pid), '-n', '-u', '-i'];
    const unshare = ['--mount', '--propagation', 'slave'];
    if (spec.targetPid !== undefined) enter.push(`--pid=/proc/${spec.targetPid}/ns/pid`);
    else if (sandbox.options.sharePID) enter.push(`--pid=/proc/${sandbox.pid}/ns/pid`);
    else if (!hostPID) unshare.push('--pid', '--fork', '--kill-child');
    const path = spec.env.PATH ?? image.env.PATH ?? '/usr/bin:/bin';
    const env = Object.entries(spec.env).map(([name, value]) => `${name}=${value}`);
    const child = spawn(
      requireTool('nsenter'),
      [
        ...[...enter, '--', requireTool('unshare'), ...unshare, '/bin/sh', '-c', script(), 'container'],
        ...[fstab, root, spec.workingDir, path, security.readOnlyRootFilesystem ? 'yes' : '', spec.command[0]!],
        ...[requireTool('setpriv'), ...setprivArguments(security, mayDropGroups())],
        ...[requireTool('env'), '-i', ...env, ...spec.command],
      ],
      { stdio: [spec.stdin ? 'pipe' : 'ignore', ...output.fds, 'pipe'], env: {}, detached: true, cwd: '/' },
    );
    output.release();
    const drained = drain(output.stdout, output.stderr, log);
    const control = child.stdio[3] as Duplex;
    const lines = new LineReader(control);
    try {
      const pid = Number((await lines.next(10_000)).replace('pid ', ''));
      const marked = markProcess(pid, id, spec.podUid, spec.qosClass).catch((error: Error) => error);
      await waitUntilReady(lines, id);
      const problem = await marked;
      if (problem) throw problem;
      const container = new Container(id, spec, pid, child, folder, drained);
      control.write('go\n');
      return container;
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      throw error instanceof StartError
        ? error
        : new StartError(id, `unable to start container process: ${(error as Error).message}`);
    } finally {
      // The script closes its end when it becomes the application.
      control.end();
    }
  }

  signal(name: NodeJS.Signals): void {
    if (!this.#hasExited) signal(this.pid, name);
  }

  /** SIGTERM, and SIGKILL when the grace time is over. Resolves with the exit. */
  async stop(graceSeconds: number): Promise<Exit> {
    if (graceSeconds > 0) this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), graceSeconds * 1000);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Removes its root from the disk. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #terminationMessage(): string {
    try {
      return readFileSync(join(this.folder, 'root', this.spec.terminationMessagePath), 'utf8').slice(0, 4096);
    } catch {
      return '';
    }
  }
}

/** The script with absolute paths: the container's own PATH decides only about its own command. */
function script(): string {
  return SCRIPT.replace(/\bMOUNT\b/g, requireTool('mount'))
    .replace('PIVOT_ROOT', findTool('pivot_root') ?? 'pivot_root')
    .replace('UMOUNT', requireTool('umount'));
}

async function waitUntilReady(lines: LineReader, id: string): Promise<void> {
  const complaints: string[] = [];
  for (;;) {
    const line = await lines.nextOrEnd(10_000);
    if (line === 'ready') return;
    if (line === undefined || line.startsWith('error ')) {
      const reason = line?.slice('error '.length) ?? 'unable to start container process: it ended before it began';
      throw new StartError(id, complaints.length > 0 ? `${reason}: ${complaints.join('; ')}` : reason);
    }
    complaints.push(line);
  }
}

function holdMountNamespace(pid: number): number | undefined {
  try {
    return openSync(`/proc/${pid}/ns/mnt`, 'r');
  } catch {
    return undefined;
  }
}

interface Drain {
  done: Promise<void>;
  cut(): void;
}

function drain(stdout: Duplex, stderr: Duplex, log: ContainerLog): Drain {
  const ends = [stdout, stderr].map(
    (stream, index) =>
      new Promise<void>((resolve) => {
        stream.on('data', (chunk) => log.write(index === 0 ? 'stdout' : 'stderr', chunk));
        stream.on('error', () => resolve());
        stream.on('close', () => resolve());
      }),
  );
  const cut = () => {
    stdout.destroy();
    stderr.destroy();
  };
  return { done: Promise.all(ends).then(() => log.end()), cut };
}
