import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { run } from './tools';

export interface OutputPipe {
  /** Descriptors to give to the container; closed by `release` once it has them. */
  fds: [stdout: number, stderr: number];
  stdout: Socket;
  stderr: Socket;
  release(): void;
}

/**
 * A container's stdout and stderr as real pipes. Node's own `'pipe'` is a socket pair, which cannot be opened again by name: programs
 * that log to /dev/stdout would fail with ENXIO.
 */
export async function createOutputPipe(folder: string): Promise<OutputPipe> {
  const paths = [join(folder, 'stdout'), join(folder, 'stderr')];
  for (const path of paths) rmSync(path, { force: true });
  await run('mkfifo', ['-m', '666', ...paths]);
  const ends = paths.map((path) => {
    const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return { readEnd, writeEnd: openSync(path, constants.O_WRONLY) };
  });
  const [stdout, stderr] = ends.map(({ readEnd }) => new Socket({ fd: readEnd, readable: true, writable: false }));
  return {
    fds: [ends[0]!.writeEnd, ends[1]!.writeEnd],
    stdout: stdout!,
    stderr: stderr!,
    release: () => {
      for (const { writeEnd } of ends) closeSync(writeEnd);
    },
  };
}
