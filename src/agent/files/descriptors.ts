import * as fs from 'node:fs';
import { promisify } from 'node:util';

/**
 * Plain descriptors instead of FileHandle objects: the walk opens one per path component, and a FileHandle each would
 * cost an allocation, a finalizer and a promise for close.
 */
export const open: (path: string, flags: number) => Promise<number> = promisify(fs.open);
export const statDescriptor: (fd: number, options: { bigint: true }) => Promise<fs.BigIntStats> = promisify(fs.fstat);
export const read: (
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number | null,
) => Promise<{ bytesRead: number }> = promisify(fs.read);

/** Linux's O_PATH, which Node does not name: a handle on the place, without opening what is there. */
const O_PATH = 0o10000000;

/** Never blocks on a FIFO, never touches a device, never follows a link. */
export const PLACE = O_PATH | fs.constants.O_NOFOLLOW;
/** For the root itself, which is a magic link of procfs and has to be followed. */
export const PLACE_FOLLOWED = O_PATH | fs.constants.O_DIRECTORY;
/** Reading without a chance to hang: procfs and sysfs have files that wait for events. */
export const READ = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY;

/** Synchronous, as closing an O_PATH or read-only descriptor writes nothing back and so cannot block. */
export const close = fs.closeSync;

/** The kernel leads this name to exactly the object behind the descriptor, wherever it has been moved since. */
export const pathOf = (fd: number): string => `/proc/self/fd/${fd}`;
