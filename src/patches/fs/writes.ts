import fs from 'node:fs';
import { nextTick } from '../originals';
import type { Undo } from '../patch';
import { wrapMethod } from '../wrap';
import { hideFrames, systemError } from './errors';
import type { Gate } from './gate';
import { pathText } from './paths';

type AnyFunction = (this: any, ...args: any[]) => any;

interface Write {
  method: string;
  syscall: string;
  /** Which arguments are paths that get changed. `open` is not here: it is judged by its flags. */
  changes: number[];
  /** All paths, for the error. */
  paths: number[];
  /** Made of other functions of fs inside Node: those must not ask the pod for what is being changed here. */
  composed?: boolean;
}

const one = (method: string, syscall = method): Write => ({ method, syscall, changes: [0], paths: [0] });

const WRITES: readonly Write[] = [
  one('writeFile', 'open'),
  one('appendFile', 'open'),
  one('truncate', 'open'),
  one('mkdir'),
  one('mkdtemp'),
  one('rmdir'),
  one('unlink'),
  one('chmod'),
  one('lchmod'),
  one('chown'),
  one('lchown'),
  one('utimes', 'utime'),
  one('lutimes', 'lutime'),
  { ...one('rm'), composed: true },
  { method: 'rename', syscall: 'rename', changes: [0, 1], paths: [0, 1] },
  { method: 'link', syscall: 'link', changes: [1], paths: [0, 1] },
  { method: 'symlink', syscall: 'symlink', changes: [1], paths: [0, 1] },
  { method: 'copyFile', syscall: 'copyfile', changes: [1], paths: [0, 1] },
  { method: 'cp', syscall: 'cp', changes: [1], paths: [0, 1], composed: true },
];

/** Puts mapped paths into `args`; gives the error of a change that would have to happen in the pod. */
function checkWrite(gate: Gate, write: Write, args: unknown[]): NodeJS.ErrnoException | undefined {
  for (const index of write.changes) {
    const route = gate.route(args[index], 'write');
    if (!route) continue;
    if (route.kind === 'mapped') {
      args[index] = route.path;
      continue;
    }
    const [path, dest] = write.paths.map((position) => pathText(args[position]));
    const { code = 'EROFS', cause = undefined } =
      route.kind === 'refused' ? (route.error as NodeJS.ErrnoException & { cause?: unknown }) : {};
    gate.log('fs', `${write.method} ${route.given}: refused, ${code}`);
    return systemError(code, { syscall: write.syscall, path, dest }, cause);
  }
  return undefined;
}

/** For functions that read from the pod and write to the client: `args` are all of the call's, the source first. */
export function checkWriteOf(gate: Gate, method: string, args: unknown[]): void {
  const error = checkWrite(gate, WRITES.find((write) => write.method === method)!, args);
  if (error) throw error;
}

/** Whether Node's own steps of this call would look at the pod. */
function wouldAskPod(gate: Gate, write: Write, args: unknown[]): boolean {
  if (!write.composed) return false;
  const recursive = (args.find((arg) => typeof arg === 'object' && arg !== null) as { recursive?: unknown })?.recursive;
  return Boolean(recursive) || write.changes.some((index) => gate.route(args[index], 'read') !== undefined);
}

/** The filter of `cp` is the app's, though it is called from inside. */
function freeFilter(gate: Gate, args: unknown[]): void {
  const options = args[2] as { filter?: unknown } | undefined;
  if (typeof options?.filter !== 'function') return;
  args[2] = { ...options, filter: gate.outside(options.filter as AnyFunction) };
}

function guardSync(gate: Gate, write: Write, original: AnyFunction): AnyFunction {
  return function wrapper(this: unknown, ...args: unknown[]): unknown {
    const error = checkWrite(gate, write, args);
    if (error) throw hideFrames(error, wrapper);
    if (!wouldAskPod(gate, write, args)) return Reflect.apply(original, this, args);
    freeFilter(gate, args);
    return gate.runNativeSync(() => Reflect.apply(original, this, args));
  };
}

function guardCallback(gate: Gate, write: Write, original: AnyFunction): AnyFunction {
  return function wrapper(this: unknown, ...args: unknown[]): unknown {
    const last = args.findLastIndex((arg) => typeof arg === 'function');
    if (last < 1) return Reflect.apply(original, this, args);
    const callback = args[last] as AnyFunction;
    const error = checkWrite(gate, write, args);
    if (error) {
      nextTick(callback, error);
      return undefined;
    }
    if (!wouldAskPod(gate, write, args)) return Reflect.apply(original, this, args);
    const own = gate.outside(callback);
    freeFilter(gate, args);
    return gate.runNativeAsync((done) => {
      args[last] = (...results: unknown[]) => {
        done();
        own(...results);
      };
      return Reflect.apply(original, this, args);
    });
  };
}

function guardPromise(gate: Gate, write: Write, original: AnyFunction): AnyFunction {
  return {
    wrapper(this: unknown, ...args: unknown[]): unknown {
      const error = checkWrite(gate, write, args);
      if (error) return Promise.reject(error);
      if (!wouldAskPod(gate, write, args)) return Reflect.apply(original, this, args);
      freeFilter(gate, args);
      return gate.runNativeAsync((done) => (Reflect.apply(original, this, args) as Promise<unknown>).finally(done));
    },
  }.wrapper;
}

/** Functions that change what a path stands for: theirs is the client, or an error where the rules say the pod. */
export function patchWrites(gate: Gate): Undo[] {
  return WRITES.flatMap((write) => [
    wrapMethod(fs, write.method as 'rm', (original) => guardCallback(gate, write, original)),
    wrapMethod(fs, `${write.method}Sync` as 'rmSync', (original) => guardSync(gate, write, original)),
    wrapMethod(fs.promises, write.method as 'rm', (original) => guardPromise(gate, write, original)),
  ]);
}
