import { constants } from 'node:fs';
import { closeSync, openSync, readSync, writeSync } from '../../patches/originals';
import type { SocketAddress } from '../../protocol/contract';
import { type PeerTable, RECORD_BYTES, readRecord } from './peer-table';

/**
 * The records of a peer table for other processes of the session: the primary of a cluster accepts connections that its workers
 * read the names of. A sparse file in the session's folder, as messages to them could come late.
 */
export class PeerFile {
  #descriptor: number | undefined;
  readonly #record = Buffer.alloc(RECORD_BYTES);

  constructor(private readonly path: string) {}

  /** Copies a record, or what is left of it when it was cleared. A file that cannot be written costs the names only. */
  write(table: PeerTable, sourcePort: number): void {
    attempt(() => {
      this.#descriptor ??= openSync(this.path, constants.O_RDWR | constants.O_CREAT, 0o600);
      this.#record.set(table.record(sourcePort));
      writeSync(this.#descriptor, this.#record, 0, RECORD_BYTES, sourcePort * RECORD_BYTES);
    });
  }

  read(sourcePort: number, serverPort: number): SocketAddress | undefined {
    return attempt(() => {
      this.#descriptor ??= openSync(this.path, 'r');
      const length = readSync(this.#descriptor, this.#record, 0, RECORD_BYTES, sourcePort * RECORD_BYTES);
      return length === RECORD_BYTES ? readRecord(this.#record, serverPort) : undefined;
    });
  }

  close(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) attempt(() => closeSync(descriptor));
  }
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
