import { type ChildProcess, execFile, spawn } from 'node:child_process';
import type { Server } from 'node:net';
import { MirrordError } from '../../../errors';
import { cleanupScript, hookScript, restoreText } from './iptables-text';
import type { HolderOptions, Redirect, RuleHolder } from './rules';
import { showInUse, sweep } from './sweep';

const COMMAND_LIMIT_MS = 10_000;

/**
 * Rules for nodes without nft or without tables that have an owner. The kernel keeps them whatever ends, so a process waits
 * for the end of this one, and takes them away then; when it is killed as well, the supervisor does, or the next agent.
 */
export class IptablesHolder implements RuleHolder {
  readonly #options: HolderOptions;
  readonly #hooked = new Set<4 | 6>();
  #cleaner: ChildProcess | undefined;
  #inUse: Server | undefined;
  /** Settles when a cleaner that was killed has a successor. */
  #repaired: Promise<void> = Promise.resolve();
  #started = false;
  #closed = false;

  /** Rejects with RULES_UNAVAILABLE. */
  static async start(options: HolderOptions): Promise<IptablesHolder> {
    await sweep();
    const holder = new IptablesHolder(options);
    try {
      holder.#inUse = await showInUse(options.id);
      await holder.replace([]);
      holder.#started = true;
      return holder;
    } catch (error) {
      void holder.close();
      throw error;
    }
  }

  private constructor(options: HolderOptions) {
    this.#options = options;
  }

  async replace(redirects: Redirect[]): Promise<void> {
    await this.#repaired;
    await this.#replace(redirects);
  }

  /** The cleaner has to come to its end first: when a container ends, so do all its processes, and what is left of the rules stays. */
  close(): Promise<void> {
    this.#closed = true;
    this.#inUse?.close();
    const cleaner = this.#cleaner;
    if (!cleaner || cleaner.exitCode !== null || cleaner.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      const limit = setTimeout(resolve, COMMAND_LIMIT_MS);
      for (const event of ['exit', 'error']) {
        cleaner.once(event, () => {
          clearTimeout(limit);
          resolve();
        });
      }
      cleaner.stdin?.end();
    });
  }

  async #replace(redirects: Redirect[]): Promise<void> {
    this.#cleaner ??= this.#startCleaner();
    const { id, exemption } = this.#options;
    for (const family of [4, 6] as const) {
      const used = this.#hooked.has(family) || redirects.some((redirect) => redirect.family === family);
      if (!used && family === 6) continue;
      const tool = family === 4 ? 'iptables' : 'ip6tables';
      await run(`${tool}-restore`, ['-w', '--noflush'], restoreText(id, family, redirects, exemption));
      if (this.#hooked.has(family)) continue;
      await run('sh', ['-c', hookScript(id, tool)]);
      this.#hooked.add(family);
    }
  }

  #startCleaner(): ChildProcess {
    // Detached: a signal to the whole group must not end the one that cleans up.
    const cleaner = spawn('sh', ['-c', `cat >/dev/null; ${cleanupScript(this.#options.id)}`], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    cleaner.stdin?.on('error', () => {});
    cleaner.on('error', () => this.#lost('sh could not be started'));
    cleaner.on('exit', (code, signal) => this.#lost(`the cleaner ended (${signal ?? `exit code ${code}`})`));
    return cleaner;
  }

  #lost(reason: string): void {
    if (this.#closed) return;
    this.#cleaner = undefined;
    if (!this.#started) return;
    // What keeps redirected connections going stays, with one that cleans up; if that cannot be, nothing may stay.
    this.#repaired = this.#replace([]).catch(
      () =>
        new Promise((resolve) => {
          this.#hooked.clear();
          execFile('sh', ['-c', cleanupScript(this.#options.id)], { timeout: COMMAND_LIMIT_MS }, () => resolve());
        }),
    );
    void this.#repaired.then(() => this.#options.onLost(reason));
  }
}

function run(command: string, args: string[], input = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { timeout: COMMAND_LIMIT_MS }, (error, _stdout, stderr) => {
      if (!error) return resolve();
      const words = (stderr || error.message).replace(/\s+/g, ' ').trim().slice(0, 500);
      reject(new MirrordError('RULES_UNAVAILABLE', `${command}: ${words}`, { hint: 'Rules need NET_ADMIN.' }));
    });
    child.stdin?.on('error', () => {}).end(input);
  });
}
