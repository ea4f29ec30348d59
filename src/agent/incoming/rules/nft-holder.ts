import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { MirrordError } from '../../../errors';
import { createTable, replaceRules } from './nft-text';
import type { Exemption, Redirect, RuleHolder } from './rules';

/** A transaction takes milliseconds; a node that swaps may take seconds. */
const COMMAND_LIMIT_MS = 10_000;
const MAX_WORDS = 2_000;

export interface NftOptions {
  table: string;
  exemption: Exemption;
  /** The process ended by itself, and the rules with it. */
  onLost: (reason: string) => void;
}

/**
 * Rules in a table that belongs to one long-running `nft`: the kernel removes it with the process, however that ends, and
 * nobody else can change it. When this process dies, `nft` reads the end of its input and ends too.
 */
export class NftHolder implements RuleHolder {
  readonly #options: NftOptions;
  readonly #nft: ChildProcessByStdio<Writable, Readable, Readable>;
  #count = 0;
  #listing = '';
  #words = '';
  #started = false;
  #closed = false;
  #ended: string | undefined;
  #changed: () => void = () => {};
  #queue: Promise<void> = Promise.resolve();

  /** Rejects with RULES_UNAVAILABLE where there is no nft, or the kernel knows no tables with an owner. */
  static async start(options: NftOptions): Promise<NftHolder> {
    const holder = new NftHolder(options);
    try {
      holder.#write(createTable(options.table));
      await holder.replace([]);
      holder.#started = true;
      return holder;
    } catch (error) {
      holder.close();
      throw error;
    }
  }

  private constructor(options: NftOptions) {
    this.#options = options;
    this.#nft = spawn('nft', ['-i'], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#nft.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#listing += text;
      this.#changed();
    });
    this.#nft.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#words = (this.#words + text).slice(-MAX_WORDS);
      this.#changed();
    });
    this.#nft.stdin.on('error', () => {});
    this.#nft.on('error', (error: NodeJS.ErrnoException) => this.#end(`nft could not be started (${error.code})`));
    this.#nft.on('exit', (code, signal) => this.#end(`nft ended (${signal ?? `exit code ${code}`})`));
  }

  /** For tests: the process that holds the rules. */
  get pid(): number | undefined {
    return this.#nft.pid;
  }

  replace(redirects: Redirect[]): Promise<void> {
    const done = this.#queue.then(() => this.#replace(redirects));
    this.#queue = done.catch(() => {});
    return done;
  }

  close(): void {
    this.#closed = true;
    this.#nft.stdin.end();
    // The end of its input ends it; the signal is for one that is stuck.
    const kill = setTimeout(() => this.#nft.kill('SIGKILL'), 1_000);
    this.#nft.once('exit', () => clearTimeout(kill));
    if (this.#nft.pid === undefined) clearTimeout(kill);
  }

  async #replace(redirects: Redirect[]): Promise<void> {
    const { table, exemption } = this.#options;
    const mark = `mirrord ${++this.#count}`;
    this.#listing = '';
    this.#write(replaceRules(table, redirects, exemption, mark));
    // It answers nothing when all went well: the listing shows whether the rules are there.
    this.#write(`list table inet ${table}`);
    await this.#waitFor(() => this.#listing.includes('\n}') || this.#words.includes(`list table inet ${table}`));
    if (!this.#listing.includes(`comment "${mark}"`)) throw this.#failure('nft did not install the rules');
    this.#words = '';
  }

  #write(line: string): void {
    if (this.#ended === undefined) this.#nft.stdin.write(`${line}\n`);
  }

  #waitFor(ready: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (text: string) => {
        clearTimeout(limit);
        reject(this.#failure(text));
      };
      const limit = setTimeout(() => fail(`nft did not answer within ${COMMAND_LIMIT_MS / 1000} s`), COMMAND_LIMIT_MS);
      this.#changed = () => {
        if (this.#ended !== undefined) return fail(this.#ended);
        if (!ready()) return;
        clearTimeout(limit);
        resolve();
      };
      this.#changed();
    });
  }

  #failure(text: string): MirrordError {
    const words = this.#words.replace(/\s+/g, ' ').trim();
    return new MirrordError('RULES_UNAVAILABLE', words ? `${text}: ${words}` : text, {
      hint: 'Traffic rules need nft, NET_ADMIN and Linux 5.12 or later.',
    });
  }

  #end(reason: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#changed();
    if (this.#started && !this.#closed) this.#options.onLost(reason);
  }
}
