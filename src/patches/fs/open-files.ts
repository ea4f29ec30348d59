import type { FileHandle } from 'node:fs/promises';
import type { WireStat } from '../../runtime/verdict';
import type { Undo } from '../patch';
import { wrapMethod } from '../wrap';
import { realFs } from './originals';
import { removeLeftovers } from './snapshot';
import { makeStats } from './stats';

interface OpenFile {
  stat: WireStat;
  /** The local file behind the descriptor: tells whether the number still means the same file. */
  device: bigint;
  inode: bigint;
}

/**
 * Descriptors of files that were brought over. The descriptors are real ones, on copies; only what `fstat` says has to
 * be the pod's.
 */
export class OpenFiles {
  #files = new Map<number, OpenFile>();
  #handles = new WeakMap<object, WireStat>();
  #undoHandlePatch: Undo | undefined;

  add(fd: number, stat: WireStat): void {
    const { dev, ino } = realFs.fstatSync(fd, { bigint: true });
    this.#files.set(fd, { stat, device: dev, inode: ino });
  }

  addHandle(handle: FileHandle, stat: WireStat): void {
    this.add(handle.fd, stat);
    this.#handles.set(handle, stat);
    this.#undoHandlePatch ??= this.#patchHandles(Object.getPrototypeOf(handle) as FileHandle);
  }

  forget(fd: unknown): void {
    if (this.#files.size > 0) this.#files.delete(fd as number);
    removeLeftovers();
  }

  /**
   * The pod's stat of a descriptor. Numbers are used again, and not every close can be seen (FileHandle, native
   * addons): the file behind it is compared first.
   */
  statOf(fd: unknown): WireStat | undefined {
    if (this.#files.size === 0) return undefined;
    const file = this.#files.get(fd as number);
    if (!file) return undefined;
    try {
      const { dev, ino } = realFs.fstatSync(fd as number, { bigint: true });
      if (dev === file.device && ino === file.inode) return file.stat;
    } catch {
      // Closed meanwhile: Node's own call reports it.
    }
    this.#files.delete(fd as number);
    return undefined;
  }

  /** The class of FileHandle is not exported: it is patched when the first one is there. */
  #patchHandles(prototype: FileHandle): Undo {
    const handles = this.#handles;
    return wrapMethod(prototype, 'stat', (original) => {
      return async function stat(this: FileHandle, ...args: [{ bigint?: boolean }?]) {
        const own = await Reflect.apply(original, this, args);
        const wire = handles.get(this);
        return wire ? makeStats(wire, Boolean(args[0]?.bigint)) : own;
      };
    });
  }

  undo(): void {
    this.#undoHandlePatch?.();
  }
}
