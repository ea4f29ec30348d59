import type { MessagePort } from 'node:worker_threads';
import type { Reply } from './messages';
import { PACKED_STAT_BYTES, packStat } from './packed-stat';
import { publish, ReplyForm, type SharedMemory, Word } from './shared-memory';

/** The worker's half of a synchronous call: puts the answer where the blocked thread looks for it. */
export function replySync(memory: SharedMemory, replies: MessagePort, id: number, reply: Reply): void {
  const { words } = memory;
  if (Atomics.load(words, Word.expected) !== id) return;
  const form = writeReply(memory, reply);
  if (form === ReplyForm.onPort) postReply(replies, { type: 'reply', id, reply });
  Atomics.store(words, Word.form, form);
  publish(words, Word.replied, id);
}

let loaded: typeof import('node:v8') | undefined;

/** Takes milliseconds to load, which a start does not have: it does so while the cluster answers. */
function v8(): typeof import('node:v8') {
  loaded ??= process.getBuiltinModule('node:v8');
  return loaded;
}

/** Writes it into shared memory if it has room there. */
function writeReply({ words, payload }: SharedMemory, reply: Reply): number {
  const raw = reply.ok ? reply.raw : undefined;
  const room = payload.length - (raw?.length ?? 0);
  if (room < PACKED_STAT_BYTES) return ReplyForm.onPort;
  const packed = reply.ok && packStat(reply.result, payload);
  const meta = packed ? undefined : v8().serialize(withoutRaw(reply));
  const metaLength = meta?.length ?? PACKED_STAT_BYTES;
  if (metaLength > room) return ReplyForm.onPort;
  if (meta) payload.set(meta, 0);
  if (raw) payload.set(raw, metaLength);
  Atomics.store(words, Word.metaLength, metaLength);
  Atomics.store(words, Word.rawLength, raw?.length ?? 0);
  return packed ? ReplyForm.stat : ReplyForm.serialized;
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
