import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { MirrordError } from '../../../errors';

/** A transaction takes milliseconds; a node that swaps may take seconds. */
const COMMAND_LIMIT_MS = 10_000;
const MAX_WORDS = 2_000;

/**
 * A table that belongs to one long-running `nft`: the kernel removes it with the process, however that ends, and nobody else
 * can change it. When this process dies, `nft` reads the end of its input and ends too.
 */
export class NftTable {
  readonly #name: string;
  readonly #nft: ChildProcessByStdio<Writable, Readable, Readable>;
  #count = 0;
  #listing = '';
  #words = '';
  #closed = false;
  #ended: string | undefined;
  #changed: () => void = () => {};

  /** @param onLost The process ended by itself, and the table with it. Called also of one that never did anything. */
  constructor(name: string, onLost: (reason: string) => void) {
    this.#name = name;
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
    const end = (reason: string) => {
      if (this.#ended !== undefined) return;
      this.#ended = reason;
      this.#changed();
      if (!this.#closed) onLost(reason);
    };
    this.#nft.on('error', (error: NodeJS.ErrnoException) => end(`nft could not be started (${error.code})`));
    this.#nft.on('exit', (code, signal) => end(`nft ended (${signal ?? `exit code ${code}`})`));
  }

  /**
   * Runs one line, and so one transaction, that has to leave a rule with the comment it is given. One at a time. Rejects with
   * RULES_UNAVAILABLE where there is no nft, or the kernel knows no tables with an owner.
   */
  async install(line: (mark: string) => string): Promise<void> {
    const mark = `mirrord ${++this.#count}`;
    const list = `list table inet ${this.#name}`;
    this.#listing = '';
    // It answers nothing when all went well: the listing shows whether the rules are there.
    if (this.#ended === undefined) this.#nft.stdin.write(`${line(mark)}\n${list}\n`);
    await this.#waitFor(() => this.#listing.includes('\n}') || this.#words.includes(list));
    if (!this.#listing.includes(`comment "${mark}"`)) throw this.#failure('nft did not install the rules');
    this.#words = '';
  }

  close(): void {
    this.#closed = true;
    this.#nft.stdin.end();
    // The end of its input ends it; the signal is for one that is stuck.
    const kill = setTimeout(() => this.#nft.kill('SIGKILL'), 1_000);
    this.#nft.once('exit', () => clearTimeout(kill));
    if (this.#nft.pid === undefined || this.#ended !== undefined) clearTimeout(kill);
  }

  #waitFor(ready: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        clearTimeout(limit);
        this.#changed = () => {};
        done();
      };
      const fail = (text: string) => settle(() => reject(this.#failure(text)));
      const limit = setTimeout(() => fail(`nft did not answer within ${COMMAND_LIMIT_MS / 1000} s`), COMMAND_LIMIT_MS);
      this.#changed = () => {
        if (this.#ended !== undefined) fail(this.#ended);
        else if (ready()) settle(resolve);
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
}
