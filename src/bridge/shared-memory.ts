/**
 * Memory that the app's thread and the worker share: a few words to wait on, and a payload for small replies.
 *
 * 16 KiB is where the two ways of handing over a reply meet: below it a copy through the payload is the faster one, above
 * it a transferred ArrayBuffer is (copies from and to shared memory are slow ones).
 */
export const Word = {
  /** One of `State`. */
  state: 0,
  /** Number of the synchronous call that was answered last. */
  replied: 1,
  /** Number of the synchronous call that is waited for; 0 = none. A late answer to another one is dropped. */
  expected: 2,
  /** One of `ReplyForm`. */
  form: 3,
  metaLength: 4,
  rawLength: 5,
  /** Answer to the last probe: proves that the worker's event loop still turns. */
  probe: 6,
  /** Milliseconds the start may take; 0 = not known yet. Set when the configuration has been read. */
  startLimit: 7,
  /** Counts while the process exits and something of it is still being delivered. */
  lastWords: 8,
} as const;

/** Where the reply is: serialized in the payload, as a message on the reply port, or as a packed stat in the payload. */
export const ReplyForm = { serialized: 0, onPort: 1, stat: 2 } as const;

/**
 * Milliseconds for which an exit is held up at most, and for which it waits without a byte moving, while what the system has
 * taken from the app's sockets is delivered. Most often it is a turn or two of the event loop.
 */
export const LAST_WORDS = { limitMs: 10_000, stallMs: 2_000 };

export const State = { none: 0, loaded: 1, ready: 2, failed: 3, closed: 4 } as const;

const HEADER_WORDS = 16;
const HEADER_BYTES = HEADER_WORDS * 4;
export const PAYLOAD_BYTES = 16 * 1024;

export interface SharedMemory {
  buffer: SharedArrayBuffer;
  words: Int32Array;
  payload: Buffer;
}

export function createSharedMemory(payloadBytes = PAYLOAD_BYTES): SharedMemory {
  return viewSharedMemory(new SharedArrayBuffer(HEADER_BYTES + payloadBytes));
}

export function viewSharedMemory(buffer: SharedArrayBuffer): SharedMemory {
  return { buffer, words: new Int32Array(buffer, 0, HEADER_WORDS), payload: Buffer.from(buffer, HEADER_BYTES) };
}

/** Stores a word and wakes whoever waits on it. */
export function publish(words: Int32Array, index: number, value: number): void {
  Atomics.store(words, index, value);
  Atomics.notify(words, index);
}
