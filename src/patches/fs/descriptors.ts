import fs from 'node:fs';
import { nextTick } from '../originals';
import type { Undo } from '../patch';
import { wrapMethod } from '../wrap';
import type { OpenFiles } from './open-files';
import { removeLeftovers } from './snapshot';
import { makeStats } from './stats';

type Options = { bigint?: boolean } | undefined;

/** `fstat` answers what the pod says of a file that was brought over; `close` forgets it. */
export function patchDescriptors(openFiles: OpenFiles): Undo[] {
  return [
    wrapMethod(fs, 'fstatSync', (original) => {
      return function fstatSync(this: unknown, ...args: unknown[]) {
        const wire = openFiles.statOf(args[0]);
        if (!wire) return Reflect.apply(original, this, args);
        return makeStats(wire, Boolean((args[1] as Options)?.bigint));
      };
    }),
    wrapMethod(fs, 'fstat', (original) => {
      return function fstat(this: unknown, ...args: unknown[]) {
        const wire = openFiles.statOf(args[0]);
        const callback = typeof args[1] === 'function' ? args[1] : args[2];
        if (!wire || typeof callback !== 'function') return Reflect.apply(original, this, args);
        const options = args[1] === callback ? undefined : (args[1] as Options);
        nextTick(callback as (error: null, stats: object) => void, null, makeStats(wire, Boolean(options?.bigint)));
        return undefined;
      };
    }),
    wrapMethod(fs, 'closeSync', (original) => {
      return function closeSync(this: unknown, ...args: unknown[]) {
        openFiles.forget(args[0]);
        try {
          return Reflect.apply(original, this, args);
        } finally {
          removeLeftovers();
        }
      };
    }),
    wrapMethod(fs, 'close', (original) => {
      return function close(this: unknown, ...args: unknown[]) {
        openFiles.forget(args[0]);
        return Reflect.apply(original, this, args);
      };
    }),
  ];
}
