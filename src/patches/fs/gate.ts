import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import type { FileAccess, FileIntent, PatchContext } from '../../runtime/verdict';
import { pathText, type Route, routePath } from './paths';

/** Verdicts of absolute paths do not change during a session, and module loaders ask for the same ones again. */
const REMEMBERED_PATHS = 4096;

/** Decides for every patched function whether a call is the pod's, at the price of one map lookup when it is not. */
export class Gate {
  readonly files: FileAccess;
  readonly log: PatchContext['log'];
  #reads = new Map<string, Route | null>();
  #writes = new Map<string, Route | null>();
  #nativeDepth = 0;
  #native: AsyncLocalStorage<true> | undefined;
  #nativeRuns = 0;
  #stopped = false;

  constructor(context: Pick<PatchContext, 'files' | 'log'>) {
    this.files = context.files;
    this.log = context.log;
  }

  /** Undefined = not ours. Never throws: what Node has to refuse is left to Node. */
  route(path: unknown, intent: FileIntent): Route | undefined {
    if (this.#nativeDepth > 0 || this.#stopped) return undefined;
    if (typeof path === 'string' && path.charCodeAt(0) === 47) {
      const remembered = intent === 'write' ? this.#writes : this.#reads;
      let route = remembered.get(path);
      if (route === undefined) {
        route = path.includes('\0') ? null : (routePath(this.files, path, intent) ?? null);
        if (remembered.size >= REMEMBERED_PATHS) remembered.clear();
        remembered.set(path, route);
      }
      return route === null ? undefined : this.#unlessNative(route);
    }
    if (typeof path === 'number') return undefined;
    const text = pathText(path);
    const route = text ? routePath(this.files, text, intent) : undefined;
    return route && this.#unlessNative(route);
  }

  #unlessNative(route: Route): Route | undefined {
    return this.#nativeRuns > 0 && this.#native?.getStore() ? undefined : route;
  }

  /** For wrappers that outlive the undo, as libraries and Node's own modules have captured them. */
  stop(): void {
    this.#stopped = true;
  }

  /** Runs a function of Node that is made of patched ones (`rmSync`, `cpSync`) with all of them as they were. */
  runNativeSync<R>(run: () => R): R {
    this.#nativeDepth += 1;
    try {
      return run();
    } finally {
      this.#nativeDepth -= 1;
    }
  }

  /**
   * The same for functions that go on later, until `done` is called. The context of our own is switched off again then,
   * as it costs every promise of the app a little on Node 20.
   */
  runNativeAsync<R>(run: (done: () => void) => R): R {
    this.#native ??= new AsyncLocalStorage<true>();
    const native = this.#native;
    this.#nativeRuns += 1;
    let open = true;
    const done = () => {
      if (!open) return;
      open = false;
      this.#nativeRuns -= 1;
      if (this.#nativeRuns === 0) native.disable();
    };
    return native.run(true, () => {
      try {
        return run(done);
      } catch (error) {
        done();
        throw error;
      }
    });
  }

  /** A function of the app that is called from inside of such a run, with its own context and our patches. */
  outside<F extends (...args: any[]) => any>(callback: F): F {
    const resource = new AsyncResource('mirrord.fs');
    return ((...args: unknown[]) =>
      resource.runInAsyncScope(() => {
        const depth = this.#nativeDepth;
        this.#nativeDepth = 0;
        try {
          return callback(...args);
        } finally {
          this.#nativeDepth = depth;
        }
      })) as F;
  }
}
