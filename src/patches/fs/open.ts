import type { FileHandle } from 'node:fs/promises';
import type { Call, Operation } from './call';
import type { OpenFiles } from './open-files';
import { intentOfFlags } from './options';
import { realFs, realPromises } from './originals';
import { takeSnapshot } from './snapshot';
import { take } from './steps';

type Flags = string | number | undefined;

interface OpenOptions {
  flags: Flags;
  mode: string | number | undefined;
}

function openNatively(path: string, { flags, mode }: OpenOptions, form: Call['form']): Promise<number | FileHandle> {
  if (form === 'promise') return realPromises.open(path, flags, mode);
  return new Promise((resolve, reject) => {
    realFs.open(path, flags, mode ?? 0o666, (error, fd) => (error ? reject(error) : resolve(fd)));
  });
}

/**
 * `open` for reading: the bytes come over first, and the app gets a real descriptor on a copy that has lost its name.
 * So reads at any position, streams, FileHandles and whatever a native addon does with a descriptor are Node's own.
 */
export function createOpen(openFiles: OpenFiles): Operation<OpenOptions> {
  return {
    method: 'open',
    syscall: 'open',
    maxArguments: 2,
    intent: intentOfFlags,
    parse([flags, mode]) {
      const valid = mode === undefined || mode === null || typeof mode === 'number' || typeof mode === 'string';
      if (!valid) return undefined;
      return { flags: (flags ?? undefined) as Flags, mode: (mode ?? undefined) as OpenOptions['mode'] };
    },
    *run(call, options) {
      const snapshot = yield* takeSnapshot(call, options.flags);
      try {
        const opened = yield* take<number | FileHandle>({
          sync: () => realFs.openSync(snapshot.path, options.flags ?? 'r', options.mode),
          async: () => openNatively(snapshot.path, options, call.form),
        });
        if (typeof opened === 'number') openFiles.add(opened, snapshot.stat);
        else openFiles.addHandle(opened, snapshot.stat);
        return opened;
      } finally {
        snapshot.discard();
      }
    },
  };
}
