import { join } from 'node:path';

export interface BundlePaths {
  /** What the worker thread runs first: it loads the worker's bundle. */
  worker: string;
  /** Reads the files of a start. */
  startFiles: string;
  /** The preload, as child processes are told it. */
  register: string;
}

/** @param dist folder of the bundle that asks */
export function bundlePaths(dist: string): BundlePaths {
  return {
    worker: join(dist, 'worker-loader.cjs'),
    startFiles: join(dist, 'start-files.cjs'),
    register: join(dist, '..', 'register.cjs'),
  };
}
