import type { SocketAddress } from '../../protocol/contract';

/**
 * Who is behind a connection that the worker makes to a server of the app, by the source port it makes it from. Shared memory,
 * not messages: the app's thread may accept the connection before a message would arrive.
 *
 * One record a port: server's port (0 = no record), peer's port, family, length of the address, the address as text.
 */
export const RECORD_BYTES = 64;
const WORD = Int32Array.BYTES_PER_ELEMENT;
const TEXT_AT = 16;
const PORTS = 65_536;

const Field = { serverPort: 0, port: 1, family: 2, length: 3 } as const;

export function createPeerTable(): SharedArrayBuffer {
  // The system gives the pages when they are written to: what is not used costs nothing.
  return new SharedArrayBuffer(PORTS * RECORD_BYTES);
}

export interface PeerTable {
  set(sourcePort: number, serverPort: number, peer: SocketAddress): void;
  clear(sourcePort: number): void;
  /** Undefined when that connection is not one of the worker's to that server. */
  get(sourcePort: number, serverPort: number): SocketAddress | undefined;
  /** The bytes of one record, for `PeerFile`. */
  record(sourcePort: number): Uint8Array;
}

export function viewPeerTable(memory: SharedArrayBuffer): PeerTable {
  const words = new Int32Array(memory);
  const bytes = Buffer.from(memory);
  const record = (sourcePort: number) => bytes.subarray(sourcePort * RECORD_BYTES, (sourcePort + 1) * RECORD_BYTES);
  return {
    set(sourcePort, serverPort, { address, port, family }) {
      const at = (sourcePort * RECORD_BYTES) / WORD;
      words[at + Field.port] = port;
      words[at + Field.family] = family;
      words[at + Field.length] = record(sourcePort).write(address, TEXT_AT, 'latin1');
      // Last, as it is what makes the record count.
      Atomics.store(words, at + Field.serverPort, serverPort);
    },
    clear(sourcePort) {
      Atomics.store(words, (sourcePort * RECORD_BYTES) / WORD, 0);
    },
    get(sourcePort, serverPort) {
      if (Atomics.load(words, (sourcePort * RECORD_BYTES) / WORD) === 0) return undefined;
      return readRecord(record(sourcePort), serverPort);
    },
    record,
  };
}

/** In the byte order of this machine: records never leave it. */
export function readRecord(record: Buffer, serverPort: number): SocketAddress | undefined {
  const { buffer, byteOffset } = record;
  const words = new Int32Array(buffer, byteOffset, TEXT_AT / WORD);
  if (serverPort === 0 || words[Field.serverPort] !== serverPort) return undefined;
  return {
    address: record.toString('latin1', TEXT_AT, TEXT_AT + words[Field.length]!),
    port: words[Field.port]!,
    family: words[Field.family] === 6 ? 6 : 4,
  };
}
