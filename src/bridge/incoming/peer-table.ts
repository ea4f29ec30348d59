import type { SocketAddress } from '../../protocol/contract';

/**
 * Who is behind a connection that the worker makes to a server of the app, by the source port it makes it from. Shared memory,
 * not messages: the app's thread may accept the connection before a message would arrive.
 *
 * One record a port: server's port (0 = no record), peer's port, family, length of the address, the address as text.
 */
const RECORD_BYTES = 64;
const RECORD_WORDS = RECORD_BYTES / 4;
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
}

export function viewPeerTable(memory: SharedArrayBuffer): PeerTable {
  const words = new Int32Array(memory);
  const bytes = Buffer.from(memory);
  return {
    set(sourcePort, serverPort, { address, port, family }) {
      const at = sourcePort * RECORD_WORDS;
      words[at + Field.port] = port;
      words[at + Field.family] = family;
      words[at + Field.length] = bytes.write(
        address,
        sourcePort * RECORD_BYTES + TEXT_AT,
        RECORD_BYTES - TEXT_AT,
        'latin1',
      );
      // Last, as it is what makes the record count.
      Atomics.store(words, at + Field.serverPort, serverPort);
    },
    clear(sourcePort) {
      Atomics.store(words, sourcePort * RECORD_WORDS, 0);
    },
    get(sourcePort, serverPort) {
      const at = sourcePort * RECORD_WORDS;
      if (serverPort === 0 || Atomics.load(words, at + Field.serverPort) !== serverPort) return undefined;
      const from = sourcePort * RECORD_BYTES + TEXT_AT;
      return {
        address: bytes.toString('latin1', from, from + words[at + Field.length]!),
        port: words[at + Field.port]!,
        family: words[at + Field.family] === 6 ? 6 : 4,
      };
    },
  };
}
