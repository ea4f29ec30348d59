/**
 * Node's own file functions, captured when this file is loaded: before any patch, and before the app or its fake file
 * systems change them. What is patched calls these, and so does our own work on temporary files.
 */
import fs from 'node:fs';

type FileSystem = typeof fs;
type FileSystemPromises = typeof fs.promises;

/**
 * What Node loads on demand (`opendir`, the streams) stays so: reading it here would cost every app at start-up. Its
 * getter gives the original later too, as it remembers what it loaded.
 */
function capture<T extends object>(source: T): T {
  const copy: Record<string, unknown> = {};
  for (const [name, { value, get }] of Object.entries(Object.getOwnPropertyDescriptors(source))) {
    if (typeof value === 'function') copy[name] = value;
    else if (get && name !== 'promises') Object.defineProperty(copy, name, { get: () => get.call(source) });
  }
  return copy as T;
}

export const realFs: Omit<FileSystem, 'promises' | 'constants'> = capture(fs);
export const realPromises: FileSystemPromises = capture(fs.promises);
export const { constants } = fs;

/** A wrapper may be asked for a function by a name that is put together, such as `stat` + `Sync`. */
export function realFunction(name: string): (...args: any[]) => any {
  return (realFs as unknown as Record<string, (...args: any[]) => any>)[name]!;
}
