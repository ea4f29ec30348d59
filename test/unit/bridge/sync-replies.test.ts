import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reply } from '../../../src/bridge/messages';
import { PACKED_STAT_BYTES } from '../../../src/bridge/packed-stat';
import { createSharedMemory, PAYLOAD_BYTES, ReplyForm, State, Word } from '../../../src/bridge/shared-memory';
import { SyncCalls } from '../../../src/bridge/sync-calls';
import { replySync } from '../../../src/bridge/sync-replies';

const NAMES = 'dev ino mode nlink uid gid rdev size blksize blocks atimeNs mtimeNs ctimeNs birthtimeNs'.split(' ');
const statOf = (values: unknown[]) => Object.fromEntries(NAMES.map((name, index) => [name, values[index]]));
const STAT = statOf(NAMES.map((_, index) => BigInt(index * 1_000_003)));

/** A call whose answer is there by the time it would be waited for; and in which form it came. */
function answered(reply: Reply): { taken: Reply; form: number } {
  const memory = createSharedMemory();
  const { port1, port2 } = new MessageChannel();
  memory.words[Word.state] = State.ready;
  const send = (id: number) => replySync(memory, port2, id, reply);
  const taken = new SyncCalls(memory, port1).run('a test', send, () => {});
  const left = receiveMessageOnPort(port1);
  port1.close();
  expect(left).toBeUndefined();
  return { taken, form: memory.words[Word.form]! };
}

const ok = (result: unknown, bytes = 0): Reply => ({ ok: true, result, raw: Buffer.alloc(bytes, 7) });

describe('the answer to a synchronous call', () => {
  it('is the same in each form', () => {
    const word = fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n });
    const part = fc.oneof(word, fc.integer(), fc.constant(undefined));
    const stats = fc.array(fc.oneof({ weight: 60, arbitrary: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) }, part), {
      minLength: NAMES.length,
      maxLength: NAMES.length,
    });
    const result = fc.oneof(
      stats.map((values) => ({ stat: statOf(values) })),
      fc.constantFrom({ stat: STAT, more: 1 }, { stat: { ...STAT, more: 1n } }, { stat: null }, null, 'text', {}),
    );
    fc.assert(
      fc.property(result, fc.integer({ min: 0, max: 20_000 }), (value, bytes) => {
        const { taken } = answered(ok(value, bytes));
        if (!taken.ok) throw new Error('it was an answer');
        expect(taken.result).toEqual(value);
        expect(Buffer.alloc(bytes, 7).equals(taken.raw)).toBe(true);
      }),
    );
  });

  it('is packed when it is a stat, with as many bytes as there is room for and not one more', () => {
    const room = PAYLOAD_BYTES - PACKED_STAT_BYTES;
    expect(answered(ok({ stat: STAT }, room)).form).toBe(ReplyForm.stat);
    expect(answered(ok({ stat: STAT }, room + 1)).form).toBe(ReplyForm.onPort);
  });

  it('is serialized when it holds a number that has no room in 64 bits', () => {
    const form = (ino: bigint) => answered(ok({ stat: { ...STAT, ino } })).form;
    expect([form(2n ** 63n - 1n), form(-(2n ** 63n)), form(2n ** 63n)]).toEqual([
      ReplyForm.stat,
      ReplyForm.stat,
      ReplyForm.serialized,
    ]);
  });

  it('is a failure as it was', () => {
    const failure = { kind: 'wire', code: 'ENOENT' } as never;
    expect(answered({ ok: false, failure }).taken).toEqual({ ok: false, failure });
  });
});
