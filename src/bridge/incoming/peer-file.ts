import type fs from 'node:fs';
import { constants } from 'node:fs';
import type { SocketAddress } from '../../protocol/contract';
import { type PeerTable, RECORD_BYTES, readRecord } from './peer-table';

/**
 * The records of a peer table for other processes of the session: the primary of a cluster accepts connections that its workers
 * read the names of. A sparse file in the session's folder, as messages to them could come late.
 */
export class PeerFile {
  #descriptor: number | undefined;
  readonly #record = Buffer.alloc(RECORD_BYTES);

  /** @param files Node's own functions: those of the app's thread may be patched or mocked */
  constructor(
    private readonly path: string,
    private readonly files: Pick<typeof fs, 'openSync' | 'readSync' | 'writeSync' | 'closeSync'>,
  ) {}

  /** Copies a record, or what is left of it when it was cleared. A file that cannot be written costs the names only. */
  write(table: PeerTable, sourcePort: number): void {
    attempt(() => {
      this.#descriptor ??= this.files.openSync(this.path, constants.O_RDWR | constants.O_CREAT, 0o600);
      this.#record.set(table.record(sourcePort));
      this.files.writeSync(this.#descriptor, this.#record, 0, RECORD_BYTES, sourcePort * RECORD_BYTES);
    });
  }

  read(sourcePort: number, serverPort: number): SocketAddress | undefined {
    return attempt(() => {
      this.#descriptor ??= this.files.openSync(this.path, 'r');
      const length = this.files.readSync(this.#descriptor, this.#record, 0, RECORD_BYTES, sourcePort * RECORD_BYTES);
      return length === RECORD_BYTES ? readRecord(this.#record, serverPort) : undefined;
    });
  }

  close(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) attempt(() => this.files.closeSync(descriptor));
  }
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
