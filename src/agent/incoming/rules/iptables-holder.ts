import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { MirrordError } from '../../../errors';
import { cleanupScript, hookScript, restoreText } from './iptables-text';
import type { Exemption, Redirect, RuleHolder } from './rules';

const COMMAND_LIMIT_MS = 10_000;

export interface IptablesOptions {
  id: string;
  exemption: Exemption;
  onLost: (reason: string) => void;
}

/**
 * Rules for nodes without nft or without tables that have an owner. The kernel keeps them whatever ends, so a process waits
 * for the end of this one, and takes them away then.
 */
export class IptablesHolder implements RuleHolder {
  readonly #options: IptablesOptions;
  readonly #cleaner: ChildProcess;
  readonly #hooked = new Set<4 | 6>();
  #started = false;
  #closed = false;
  #queue: Promise<void> = Promise.resolve();

  /** Rejects with RULES_UNAVAILABLE. */
  static async start(options: IptablesOptions): Promise<IptablesHolder> {
    const holder = new IptablesHolder(options);
    try {
      await holder.replace([]);
      holder.#started = true;
      return holder;
    } catch (error) {
      holder.close();
      throw error;
    }
  }

  private constructor(options: IptablesOptions) {
    this.#options = options;
    // Detached: a signal to the whole group must not end the one that cleans up.
    this.#cleaner = spawn('sh', ['-c', `cat >/dev/null; ${cleanupScript(options.id)}`], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#cleaner.stdin?.on('error', () => {});
    this.#cleaner.on('error', () => this.#lost('sh could not be started'));
    this.#cleaner.on('exit', (code, signal) => this.#lost(`the cleaner ended (${signal ?? `exit code ${code}`})`));
  }

  /** For tests: the process that takes the rules away. */
  get pid(): number | undefined {
    return this.#cleaner.pid;
  }

  replace(redirects: Redirect[]): Promise<void> {
    const done = this.#queue.then(() => this.#replace(redirects));
    this.#queue = done.catch(() => {});
    return done;
  }

  close(): void {
    this.#closed = true;
    this.#cleaner.stdin?.end();
  }

  async #replace(redirects: Redirect[]): Promise<void> {
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

  #lost(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    execFile('sh', ['-c', cleanupScript(this.#options.id)], { timeout: COMMAND_LIMIT_MS }, () => {
      if (this.#started) this.#options.onLost(reason);
    });
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
