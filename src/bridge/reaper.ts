import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { GuardedJob } from '../kube/types';

/**
 * What it does with the lines it is told, and when its pipe closes because the process that held the other end has gone, in
 * whatever way. A shell waits, as it costs next to nothing; Node is started only when there is a Job to delete.
 */
const SCRIPT = `
job= folder=
while IFS= read -r line; do
  case $line in
    "job "*) job=\${line#job } ;;
    "folder "*) folder=\${line#folder } ;;
    forget) job= ;;
  esac
done
if [ -n "$folder" ]; then rm -rf -- "$folder"; fi
if [ -n "$job" ]; then printf 'job %s\\n' "$job" | "$0" "$1"; fi
`;

/**
 * A detached helper that outlives this process by moments and removes what it could not: the Job of a start that was cut off,
 * the folder of the control socket. A process that is blocked in its start runs no signal handler, and one that is killed
 * none at all.
 */
export class Reaper {
  readonly #file: string;
  #child: ChildProcess | undefined;

  /** @param file bundle of the half that deletes Jobs */
  constructor(file = join(__dirname, 'reaper.cjs')) {
    this.#file = file;
  }

  /** Starts the helper, should it not run yet: a fork blocks for milliseconds, best spent while an answer is on its way. */
  prepare(): void {
    if (this.#child) return;
    if (process.platform === 'win32') this.#start(process.execPath, [this.#file]);
    else this.#start('/bin/sh', ['-c', SCRIPT, process.execPath, this.#file]);
  }

  /** From now on the end of this process deletes that Job, if it is the one that this very start has made. */
  guard(job: GuardedJob): void {
    this.#say(`job ${JSON.stringify(job)}`);
  }

  /** The Job is in use, or deleted: it is not the helper's any more. */
  forget(): void {
    if (this.#child) this.#say('forget');
  }

  /** From now on the end of this process removes that folder, be it there yet or not. */
  guardFolder(path: string): void {
    if (!path.includes('\n')) this.#say(`folder ${path}`);
  }

  end(): void {
    this.#child?.stdin?.end();
  }

  #say(line: string): void {
    this.prepare();
    const stdin = this.#child?.stdin;
    if (stdin?.writable) stdin.write(`${line}\n`);
  }

  #start(command: string, args: string[]): void {
    // Loaded late: a start spends what it takes while the cluster answers.
    const { spawn } = process.getBuiltinModule('node:child_process');
    // A group of its own: Ctrl-C is meant for the app's.
    const child = spawn(command, args, { detached: true, stdio: ['pipe', 'ignore', 'ignore'], windowsHide: true });
    this.#child = child;
    // Without it a killed start leaves an agent that ends by itself after half a minute: no reason to fail.
    child.on('error', () => {});
    child.stdin.on('error', () => {});
    child.unref();
    (child.stdin as unknown as { unref?(): void }).unref?.();
  }
}
