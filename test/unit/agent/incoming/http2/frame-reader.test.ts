import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FLAG, FrameError, frame, headerFrames, TYPE, type Unit } from '../../../../../src/agent/incoming/http2/frame';
import { FrameReader } from '../../../../../src/agent/incoming/http2/frame-reader';
import { blockOf, dataOf } from '../../../../../src/agent/incoming/http2/read-payload';

const MAX_BLOCK = 1_000;

/** What a reader makes of chunks: its units, and all that it passes when `replace` has its way. */
function readAll(chunks: Buffer[], replace: (unit: Unit) => Buffer | undefined = ({ bytes }) => bytes, prefix = 0) {
  const units: { type: number; stream: number; size: number }[] = [];
  const passed: Buffer[] = [];
  const reader = new FrameReader(
    prefix,
    MAX_BLOCK,
    (unit) => {
      units.push({ type: unit.type, stream: unit.stream, size: unit.bytes.length });
      return replace(unit);
    },
    (bytes) => passed.push(Buffer.from(bytes)),
  );
  let error: unknown;
  try {
    for (const chunk of chunks) reader.read(chunk);
  } catch (thrown) {
    error = thrown;
  }
  return { units, passed: Buffer.concat(passed), rest: Buffer.from(reader.rest), error };
}

const cut = (bytes: Buffer, at: number[]): Buffer[] => {
  const points = [0, ...at.map((point) => point % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return points.slice(1).map((to, index) => bytes.subarray(points[index], to));
};

const anyFrame = fc.oneof(
  fc
    .record({
      type: fc.constantFrom(0, 2, 3, 4, 6, 7, 8, 99),
      flags: fc.nat(255),
      stream: fc.nat(20),
      size: fc.nat(300),
    })
    .map(({ type, flags, stream, size }) => frame(type, flags, stream, Buffer.alloc(size, size))),
  fc
    .record({ stream: fc.nat(20), size: fc.nat(400), max: fc.integer({ min: 60, max: 500 }) })
    .map(({ stream, size, max }) => headerFrames(stream, Buffer.alloc(size, 7), false, max)),
);

describe('frames', () => {
  it('are the same however their bytes come, and pass as they are', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 12 }), (frames, at) => {
        const bytes = Buffer.concat(frames);
        const { units, passed, rest, error } = readAll(cut(bytes, at));
        expect(error).toBeUndefined();
        expect(units.map(({ size }) => size)).toEqual(frames.map(({ length }) => length));
        expect(passed.equals(bytes)).toBe(true);
        expect(rest).toHaveLength(0);
      }),
      { numRuns: 500 },
    );
  });

  it('are left out and replaced in their place', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 6 }), (frames, at) => {
        const pick = (bytes: Buffer) => [bytes, undefined, Buffer.from(`<${bytes.length}>`)][bytes.length % 3];
        const { passed } = readAll(cut(Buffer.concat(frames), at), ({ bytes }) => pick(bytes));
        expect(passed.toString('latin1')).toBe(frames.map((each) => pick(each)?.toString('latin1') ?? '').join(''));
      }),
      { numRuns: 500 },
    );
  });

  it('that break a rule end the reading with all of the rest there, and nothing else is thrown', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(anyFrame, fc.uint8Array({ maxLength: 40 }).map(Buffer.from)), { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        (parts, at) => {
          const bytes = Buffer.concat(parts);
          const { passed, rest, error } = readAll(cut(bytes, at));
          if (error) expect(error).toBeInstanceOf(FrameError);
          expect(bytes.subarray(0, passed.length + rest.length).equals(Buffer.concat([passed, rest]))).toBe(true);
          if (!error) expect(passed.length + rest.length).toBe(bytes.length);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  const headers = (flags: number, size: number) => frame(TYPE.headers, flags, 1, Buffer.alloc(size));
  const more = (flags: number, size: number, stream = 1) => frame(TYPE.continuation, flags, stream, Buffer.alloc(size));
  it.each<[string, Buffer[]]>([
    ['a block that goes on without an end', [headers(0, 10), ...Array.from({ length: 200 }, () => more(0, 0))]],
    ['a long block', [headers(0, 900), more(FLAG.endHeaders, 200)]],
    ['another stream in a block', [headers(0, 10), more(FLAG.endHeaders, 10, 3)]],
    ['another frame in a block', [headers(0, 10), frame(TYPE.data, 0, 1, Buffer.alloc(1))]],
    ['a continuation of nothing', [more(FLAG.endHeaders, 1)]],
    ['a long frame', [frame(TYPE.data, 0, 1, Buffer.alloc(16_385))]],
  ])('of %s are none', (_name, frames) => {
    const whole = readAll([Buffer.concat(frames)]);
    expect(whole.error).toBeInstanceOf(FrameError);
    expect(whole.passed).toHaveLength(0);
    const bytewise = readAll([...Buffer.concat(frames)].map((byte) => Buffer.from([byte])));
    expect(bytewise.error).toBeInstanceOf(FrameError);
  });

  it('come behind the words that begin the connection', () => {
    const bytes = Buffer.concat([Buffer.from('PRI and more'), frame(TYPE.ping, 0, 0, Buffer.alloc(8))]);
    for (const at of [0, 3, 12, 15]) {
      const { units, passed } = readAll(cut(bytes, [at]), undefined, 12);
      expect(units).toEqual([{ type: TYPE.ping, stream: 0, size: 17 }]);
      expect(passed.equals(bytes)).toBe(true);
    }
  });

  it('have their padding and priority left out', () => {
    const unit = (type: number, flags: number, payload: Buffer): Unit => ({
      type,
      flags,
      stream: 1,
      length: payload.length,
      bytes: frame(type, flags, 1, payload),
    });
    const padded = Buffer.from([2, ...Buffer.from('body'), 0, 0]);
    expect(dataOf(unit(TYPE.data, FLAG.padded, padded)).toString()).toBe('body');
    const all = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 9]), Buffer.from('block'), Buffer.alloc(2)]);
    expect(blockOf(unit(TYPE.headers, FLAG.padded | FLAG.priority, all)).toString()).toBe('block');
    expect(() => dataOf(unit(TYPE.data, FLAG.padded, Buffer.from([4, 1, 2, 3])))).toThrow(FrameError);
    expect(() => dataOf(unit(TYPE.data, FLAG.padded, Buffer.alloc(0)))).toThrow(FrameError);
    expect(() => blockOf(unit(TYPE.headers, FLAG.priority, Buffer.alloc(4)))).toThrow(FrameError);
  });
});
