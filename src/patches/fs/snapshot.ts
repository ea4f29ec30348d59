import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WireStat } from '../../runtime/verdict';
import { ask, type Call } from './call';
import { failureCode, systemError } from './errors';
import { wireFlags } from './options';
import { realFs, realPromises } from './originals';
import { type Steps, take } from './steps';

/** A file of the pod as it is now, on this machine for as long as it takes to open or copy it. */
export interface Snapshot {
  path: string;
  stat: WireStat;
  /** Takes the name away again: who has opened the file keeps it, and nothing stays when the process dies. */
  discard(): void;
}

/** Bytes per call. The first one brings most files whole. */
const CHUNK = 16 * 1024 * 1024;
const MAX_SIZE = 2 ** 31 - 1;

/** Folders that could not be removed yet: Windows keeps a file's name while it is open. */
const leftovers = new Set<string>();

export function removeLeftovers(): void {
  for (const folder of leftovers) {
    try {
      realFs.rmSync(folder, { recursive: true, force: true });
      leftovers.delete(folder);
    } catch {
      // Still open: the next close, or the end of the process, tries again.
    }
  }
}

function discardFolder(folder: string): void {
  try {
    realFs.rmSync(folder, { recursive: true, force: true });
  } catch {
    if (leftovers.size === 0) process.once('exit', removeLeftovers);
    leftovers.add(folder);
  }
}

/** A folder for the user alone, with a name nobody can foresee. */
export function makePrivateFolder(): { path: string; discard(): void } {
  const path = realFs.mkdtempSync(join(tmpdir(), 'mirrord-file-'));
  return { path, discard: () => discardFolder(path) };
}

/**
 * Brings a file over to `file`, which must not exist.
 *
 * @throws EFBIG over 2 GiB, and what the agent says of the path.
 */
export function* fetchFile(call: Call, file: string, flags?: unknown): Steps<WireStat> {
  const { gate, target } = call;
  const wire = wireFlags(flags);
  let bytes: Uint8Array;
  let stat: WireStat;
  try {
    const params = { path: target.ask, maxBytes: CHUNK };
    const answer = yield* ask(gate, 'fs.readFile', wire === 0 ? params : { ...params, flags: wire });
    bytes = answer.raw;
    stat = answer.result.stat;
  } catch (error) {
    // Larger than one call may bring.
    if (failureCode(error) !== 'EFBIG') throw error;
    stat = (yield* ask(gate, 'fs.stat', { path: target.ask })).result.stat;
    bytes = new Uint8Array(0);
  }
  const size = Number(stat.size);
  if (size > MAX_SIZE) throw systemError('EFBIG', { syscall: 'open', path: target.given });
  yield* write(file, bytes, 'wx');
  for (let position = bytes.byteLength; position < size; position += bytes.byteLength) {
    const length = Math.min(CHUNK, size - position);
    bytes = (yield* ask(gate, 'fs.read', { path: target.ask, position, length })).raw;
    if (bytes.byteLength === 0) break;
    yield* write(file, bytes, 'a');
  }
  return stat;
}

function* write(file: string, bytes: Uint8Array, flag: 'wx' | 'a'): Steps<void> {
  const options = { flag, mode: 0o600 };
  yield* take<void>({
    sync: () => realFs.writeFileSync(file, bytes, options),
    async: () => realPromises.writeFile(file, bytes, options),
  });
}

/** Makes a local file, or for a folder an empty folder, that opens as the pod's does. */
export function* takeSnapshot(call: Call, flags?: unknown): Steps<Snapshot> {
  const folder = makePrivateFolder();
  try {
    const path = join(folder.path, 'file');
    try {
      const stat = yield* fetchFile(call, path, flags);
      return { path, stat, discard: folder.discard };
    } catch (error) {
      if (failureCode(error) !== 'EISDIR') throw error;
      const { result } = yield* ask(call.gate, 'fs.stat', { path: call.target.ask });
      realFs.mkdirSync(path, 0o700);
      return { path, stat: result.stat, discard: folder.discard };
    }
  } catch (error) {
    folder.discard();
    throw error;
  }
}
