import { serialize } from 'node:v8';
import type { MessagePort } from 'node:worker_threads';
import type { Reply } from './messages';
import { publish, type SharedMemory, Word } from './shared-memory';

/** The worker's half of a synchronous call: puts the answer where the blocked thread looks for it. */
export function replySync(memory: SharedMemory, replies: MessagePort, id: number, reply: Reply): void {
  const { words, payload } = memory;
  if (Atomics.load(words, Word.expected) !== id) return;
  const raw = reply.ok ? reply.raw : undefined;
  const meta = raw && raw.length > payload.length ? undefined : serialize(withoutRaw(reply));
  if (meta && meta.length + (raw?.length ?? 0) <= payload.length) {
    payload.set(meta, 0);
    if (raw) payload.set(raw, meta.length);
    Atomics.store(words, Word.byPort, 0);
    Atomics.store(words, Word.metaLength, meta.length);
    Atomics.store(words, Word.rawLength, raw?.length ?? 0);
  } else {
    postReply(replies, { type: 'reply', id, reply });
    Atomics.store(words, Word.byPort, 1);
  }
  publish(words, Word.replied, id);
}

/** Posts a reply and gives its bytes away instead of cloning them. */
export function postReply(
  port: Pick<MessagePort, 'postMessage'>,
  message: { type: 'reply'; id: number; reply: Reply },
): void {
  const { reply } = message;
  if (!reply.ok || reply.raw.length === 0) port.postMessage(message);
  else {
    const raw = ownBuffer(reply.raw);
    port.postMessage({ ...message, reply: { ...reply, raw } }, [raw.buffer as ArrayBuffer]);
  }
}

/** The bytes in a buffer that holds nothing else: one that is shared with other frames must not be given away. */
function ownBuffer(raw: Uint8Array): Uint8Array {
  const alone = raw.byteOffset === 0 && raw.byteLength === raw.buffer.byteLength;
  // Never the buffer of a Node pool: those are smaller than this and shared.
  return alone && raw.byteLength > 64 * 1024 ? new Uint8Array(raw.buffer) : new Uint8Array(raw);
}

/** An empty array instead of none would double what serializing costs. */
function withoutRaw(reply: Reply): object {
  return reply.ok ? { ok: true, result: reply.result } : reply;
}
