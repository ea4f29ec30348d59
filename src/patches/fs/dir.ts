import type { Dir } from 'node:fs';
import { dirname } from 'node:path';
import type { WireDirent } from '../../runtime/verdict';
import { nextTick } from '../originals';
import { ask, type Operation } from './call';
import { type EncodingOptions, parseOptions } from './options';
import { realFs } from './originals';
import { makeDirent } from './readdir';

type Callback = (error: Error | null, entry?: unknown) => void;
type AnyFunction = (...args: unknown[]) => unknown;

let closedDir: Record<string, AnyFunction> | undefined;

/** What Node's own Dir says when it is used after it was closed: thrown, rejected or called back as that version does. */
function useClosed(method: string, args: unknown[]): unknown {
  if (!closedDir) {
    const dir = realFs.opendirSync(dirname(process.execPath));
    dir.closeSync();
    closedDir = dir as unknown as Record<string, AnyFunction>;
  }
  return closedDir[method]!(...args);
}

/** Node's own complaint about something that is no callback. */
function checkCallback(callback: unknown): asserts callback is Callback {
  if (typeof callback !== 'function') queueMicrotask(callback as never);
}

/** The entries of a folder of the pod, behind the interface of `fs.Dir`. They were all fetched when it was opened. */
class PodDir {
  readonly #path: string;
  readonly #entries: object[];
  #closed = false;

  constructor(path: string, entries: object[]) {
    this.#path = path;
    this.#entries = entries;
  }

  get path(): string {
    return this.#path;
  }

  read(...args: unknown[]): unknown {
    if (this.#closed) return useClosed('read', args);
    const entry = this.#entries.shift() ?? null;
    const [callback] = args;
    if (callback === undefined) return Promise.resolve(entry);
    checkCallback(callback);
    nextTick(callback, null, entry);
    return undefined;
  }

  readSync(): unknown {
    if (this.#closed) return useClosed('readSync', []);
    return this.#entries.shift() ?? null;
  }

  close(...args: unknown[]): unknown {
    if (this.#closed) return useClosed('close', args);
    const [callback] = args;
    if (callback !== undefined) checkCallback(callback);
    this.#closed = true;
    if (callback === undefined) return Promise.resolve();
    nextTick(callback as Callback, null);
    return undefined;
  }

  closeSync(): void {
    if (this.#closed) useClosed('closeSync', []);
    this.#closed = true;
  }

  /** Bodies of `[Symbol.dispose]` and `[Symbol.asyncDispose]`: closing twice is no error there. */
  static readonly disposers = {
    now(this: PodDir): void {
      if (!this.#closed) this.closeSync();
    },
    async later(this: PodDir): Promise<void> {
      if (!this.#closed) await this.close();
    },
  };

  async *entries(): AsyncGenerator<unknown> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry;
    } finally {
      await this.close();
    }
  }
}

/** Makes a PodDir an `fs.Dir` in every way that can be seen. Done when the first one is opened. */
function adoptDirPrototype(): void {
  const parent = (realFs.Dir as unknown as { prototype: object }).prototype;
  if (Object.getPrototypeOf(PodDir.prototype) === parent) return;
  const own = PodDir.prototype as unknown as Record<PropertyKey, unknown>;
  const define = (key: symbol | undefined, value: AnyFunction | undefined) => {
    if (key && value && key in parent) Object.defineProperty(own, key, { value, writable: true, configurable: true });
  };
  Reflect.deleteProperty(own, 'constructor');
  Object.setPrototypeOf(own, parent);
  define(Symbol.asyncIterator, PodDir.prototype.entries as AnyFunction);
  // Node 20 has no dispose of its own here, and 22 one under a symbol that is not the language's.
  for (const key of Object.getOwnPropertySymbols(parent)) {
    if (/asyncDispose/.test(String(key))) {
      define(key, PodDir.disposers.later as AnyFunction);
    } else if (/dispose/.test(String(key))) {
      define(key, PodDir.disposers.now as AnyFunction);
    }
  }
}

interface OpendirOptions extends EncodingOptions {
  recursive: boolean;
}

export const opendir: Operation<OpendirOptions> = {
  method: 'opendir',
  syscall: 'opendir',
  maxArguments: 1,
  parse([value]) {
    const options = parseOptions(value);
    if (!options) return undefined;
    const { bufferSize = 32, recursive } = options.object;
    if (!Number.isInteger(bufferSize) || (bufferSize as number) < 1 || (bufferSize as number) > 0xffffffff) {
      return undefined;
    }
    return { ...options, recursive: Boolean(recursive) };
  },
  *run({ gate, target }, { encoding, recursive }) {
    const { result } = yield* ask(gate, 'fs.readdir', { path: target.ask, recursive });
    adoptDirPrototype();
    const entries = result.entries.map((entry: WireDirent) => makeDirent(entry, target.given, encoding));
    return new PodDir(target.given, entries) as unknown as Dir;
  },
};
