import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DICTIONARY } from '../../../src/spdy/dictionary';
import { FrameType } from '../../../src/spdy/frame';
import { FrameParser } from '../../../src/spdy/frame-parser';
import { HeaderReader, type Headers, HeaderWriter } from '../../../src/spdy/header-block';

const FIXTURES = new URL('../../fixtures/kubernetes-transcripts/', import.meta.url);

/** The bytes that one side of the second connection of a recording sent after the upgrade. */
function recordedBytes(name: string, direction: 'C>S' | 'S>C'): Buffer {
  const sections = readFileSync(new URL(name, FIXTURES), 'utf8').split(/\n(?=#\d )/);
  const hex = sections
    .filter((section) => section.startsWith(`#2 ${direction}`))
    .flatMap((section) => section.match(/^[0-9a-f]{4} {2}((?:[0-9a-f]{2} ){1,16})/gm) ?? [])
    .map((line) => line.slice(6).replaceAll(' ', ''));
  return Buffer.from(hex.join(''), 'hex');
}

interface Seen {
  headers: Headers[];
  data: Map<number, string>;
  ended: number[];
  controls: number[];
}

function decode(bytes: Buffer, pieces: number): Seen {
  const reader = new HeaderReader();
  const seen: Seen = { headers: [], data: new Map(), ended: [], controls: [] };
  const parser = new FrameParser({
    control(type, _flags, payload) {
      seen.controls.push(type);
      if (type === FrameType.SYN_STREAM) seen.headers.push({ ...reader.read(payload.subarray(10)) });
      if (type === FrameType.SYN_REPLY) seen.headers.push({ ...reader.read(payload.subarray(4)) });
    },
    data(id, chunk, isEnd) {
      seen.data.set(id, (seen.data.get(id) ?? '') + chunk.toString());
      if (isEnd) seen.ended.push(id);
    },
  });
  for (let offset = 0; offset < bytes.length; offset += pieces) parser.feed(bytes.subarray(offset, offset + pieces));
  return seen;
}

describe('SPDY as kubectl and the API server wrote it', () => {
  it('holds the dictionary whose checksum opens their streams', () => {
    let a = 1;
    let b = 0;
    for (const byte of DICTIONARY) {
      a = (a + byte) % 65_521;
      b = (b + a) % 65_521;
    }
    expect(DICTIONARY).toHaveLength(1423);
    expect(((b << 16) | a) >>> 0).toBe(0xe3c6a7c2);
  });

  it.each([1, 7, 4096])('reads the requests of a port-forward in pieces of %i bytes', (pieces) => {
    const { headers, data, ended } = decode(recordedBytes('wire-portforward-spdy.txt', 'C>S'), pieces);
    const [port] = new Set(headers.map((entry) => entry.port));
    expect(headers).toEqual([
      { streamtype: 'error', port, requestid: '0' },
      { streamtype: 'data', port, requestid: '0' },
      { streamtype: 'error', port, requestid: '1' },
      { streamtype: 'data', port, requestid: '1' },
    ]);
    expect(data.get(3)).toMatch(/^GET \/a HTTP\/1\.1\r\n/);
    expect(data.get(7)).toMatch(/^GET \/b HTTP\/1\.1\r\n/);
    expect(ended.sort()).toEqual([1, 3, 5, 7]);
  });

  it('reads what a command answered', () => {
    const { headers, data, ended } = decode(recordedBytes('wire-exec-spdy.txt', 'S>C'), 5);
    expect(headers).toEqual([{}, {}, {}]);
    expect(data.get(3)).toBe('out\n');
    expect(data.get(5)).toBe('err\n');
    expect(JSON.parse(data.get(1)!).details.causes).toEqual([{ reason: 'ExitCode', message: '7' }]);
    expect(ended).toEqual([5, 3]);
  });

  it('reads a refused port', () => {
    const { data, controls } = decode(recordedBytes('wire-portforward-refused-spdy.txt', 'S>C'), 64);
    expect(data.get(1)).toContain('127.0.0.1:9: connect: connection refused');
    expect(controls).toContain(FrameType.RST_STREAM);
  });
});

describe('header blocks', () => {
  it('come back as they were, block after block', () => {
    const writer = new HeaderWriter();
    const reader = new HeaderReader();
    const blocks: Headers[] = [
      { streamtype: 'error', port: '80' },
      {},
      { a: 'b'.repeat(5000) },
      { streamtype: 'data' },
    ];
    for (const headers of blocks) {
      expect({ ...reader.read(writer.write(headers)) }).toEqual(headers);
    }
  });

  it('are refused over 64 KiB, and taken just below', () => {
    // Four bytes for the count, and four more before each name and value.
    const fits = { a: 'x'.repeat(0xffff - 4 - 4 - 1 - 4) };
    expect({ ...new HeaderReader().read(new HeaderWriter().write(fits)) }).toEqual(fits);
    expect(() => new HeaderWriter().write({ a: `${fits.a}x` })).toThrow(RangeError);
  });

  it('that are damaged are an error and not a crash', () => {
    expect(() => new HeaderReader().read(Buffer.from('78bb0102030405060708', 'hex'))).toThrow(RangeError);
    expect(() => new HeaderReader().read(Buffer.alloc(0))).toThrow(RangeError);
  });

  it('keep a header called like a property of every object', () => {
    const headers = new HeaderReader().read(new HeaderWriter().write(JSON.parse('{"__proto__":"x"}')));
    expect(headers.constructor).toBeUndefined();
    expect(Object.keys(headers)).toEqual(['__proto__']);
  });
});

describe('frames', () => {
  it('of control over 64 KiB and of another version are refused', () => {
    const parser = () => new FrameParser({ control: () => {}, data: () => {} });
    expect(() => parser().feed(Buffer.from('8003000100010000', 'hex'))).not.toThrow();
    expect(() => parser().feed(Buffer.from('8003000100010001', 'hex'))).toThrow(RangeError);
    expect(() => parser().feed(Buffer.from('8002000100000000', 'hex'))).toThrow(RangeError);
  });
});
