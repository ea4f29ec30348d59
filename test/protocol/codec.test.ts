import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, decodeWithRaw, encode, encodeWithRaw } from '../../src/protocol/codec';
import { decodeReset, encodeReset, parseWireError, toWireError } from '../../src/protocol/wire-errors';

describe('codec', () => {
  it('keeps a bigint a bigint and a number a number, whatever the size', () => {
    const value = { small: 5n, big: 2n ** 64n - 1n, negative: -3n, number: 2 ** 53 - 1, fraction: 1.5 };
    expect(decode(encode(value))).toEqual(value);
  });

  it('brings back any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
        expect(decode(encode(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('keeps raw bytes apart', () => {
    const raw = Buffer.from([1, 2, 3]);
    const payload = Buffer.concat(encodeWithRaw({ a: 1 }, raw));
    expect(decodeWithRaw(payload, 'test')).toEqual({ value: { a: 1 }, raw });
  });

  it('refuses a length that is longer than the payload by one', () => {
    const payload = Buffer.concat(encodeWithRaw({ a: 1 }));
    expect(decodeWithRaw(payload, 'test').raw.byteLength).toBe(0);
    expect(() => decodeWithRaw(payload.subarray(0, -1), 'test')).toThrow('test is shorter than it says');
  });

  it('refuses an array that says to be longer than its bytes, without reserving memory', () => {
    const before = process.memoryUsage().heapUsed;
    const nested = Buffer.concat(Array.from({ length: 1000 }, () => Buffer.from([0x9a, 0x00, 0xff, 0xff, 0xff])));
    expect(() => decode(nested)).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(50e6);
  });

  it('does not let a peer reach prototypes', () => {
    const value = decode(encode(JSON.parse('{"__proto__":{"polluted":1}}'))) as Record<string, unknown>;
    expect(value.polluted).toBeUndefined();
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('errors on the wire', () => {
  it('keeps the fields of a system error and leaves stack and message out', () => {
    const error = Object.assign(new Error('secret'), {
      code: 'ENOENT',
      errno: -2,
      syscall: 'open',
      path: '/x',
      dest: 1,
    });
    expect(toWireError(error)).toEqual({ code: 'ENOENT', errno: -2, syscall: 'open', path: '/x' });
  });

  it('gives other errors a code and their text', () => {
    expect(toWireError(new Error('boom'))).toEqual({ code: 'EIO', message: 'boom' });
    expect(toWireError('boom')).toEqual({ code: 'EIO', message: 'boom' });
    expect(toWireError(undefined)).toEqual({ code: 'EIO', message: 'undefined' });
  });

  it('takes only fields of the right type from the other end', () => {
    expect(parseWireError({ code: 5, errno: 'x', path: {}, message: 'm', extra: 1 })).toEqual({
      code: 'EIO',
      message: 'm',
    });
    expect(parseWireError(null)).toEqual({ code: 'EIO' });
  });

  it('brings reset codes across, also such as the table does not know', () => {
    for (const reset of [
      { code: 'ECONNREFUSED' },
      { code: 'EPIPE', message: 'text' },
      { code: 'ENEW', message: 'a b' },
    ]) {
      expect(decodeReset(Buffer.concat(encodeReset(reset)))).toEqual({ message: undefined, ...reset });
    }
    expect(decodeReset(Buffer.from([0, 0, 0, 99])).code).toBe('ECONNRESET');
    expect(decodeReset(Buffer.alloc(0)).code).toBe('ECONNRESET');
  });
});
