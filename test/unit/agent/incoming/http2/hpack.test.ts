import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HpackDecoder } from '../../../../../src/agent/incoming/http2/hpack/decode';
import { encodeFields } from '../../../../../src/agent/incoming/http2/hpack/encode';
import { HpackError } from '../../../../../src/agent/incoming/http2/hpack/error';
import type { Field } from '../../../../../src/agent/incoming/http2/hpack/field';
import { STATIC_TABLE } from '../../../../../src/agent/incoming/http2/hpack/static-table';

const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex');
const list = (fields: { name: string; value: string }[]) => fields.map(({ name, value }) => `${name}: ${value}`);

describe('HPACK', () => {
  it('has 61 entries that are fixed', () => {
    expect(STATIC_TABLE).toHaveLength(61);
    expect([1, 16, 32, 61].map((index) => list([STATIC_TABLE[index - 1]!])[0])).toEqual([
      ':authority: ',
      'accept-encoding: gzip, deflate',
      'cookie: ',
      'www-authenticate: ',
    ]);
  });

  it.each([
    ['C.2.1', '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key: custom-header']],
    ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', [':path: /sample/path']],
    ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', ['password: secret']],
    ['C.2.4', '82', [':method: GET']],
  ])('reads the example %s of RFC 7541', (_name, block, fields) => {
    const [field, ...others] = new HpackDecoder().decode(hex(block));
    expect(list([field!, ...others])).toEqual(fields);
    expect(field!.never).toBe(block.startsWith('10'));
  });

  const first = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
  const last = [
    ':method: GET',
    ':scheme: https',
    ':path: /index.html',
    ':authority: www.example.com',
    'custom-key: custom-value',
  ];
  it.each([
    [
      'C.3',
      [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ],
    ],
    [
      'C.4',
      [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ],
    ],
  ])('reads the requests %s of RFC 7541, which share a table', (_name, blocks) => {
    const decoder = new HpackDecoder();
    const read = blocks.map((block) => list(decoder.decode(hex(block))));
    expect(read).toEqual([first, [...first, 'cache-control: no-cache'], last]);
  });

  it.each([
    [
      'C.5',
      [
        '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '4803 3330 37c1 c0bf',
        '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
      ],
    ],
    [
      'C.6',
      [
        '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
        '4883 640e ffc1 c0bf',
        '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
      ],
    ],
  ])('reads the answers %s of RFC 7541, whose table holds 256', (_name, blocks) => {
    const decoder = new HpackDecoder();
    // The examples begin with a table that small; on the wire somebody says so.
    decoder.decode(hex('3fe1 01'));
    const read = blocks.map((block) => list(decoder.decode(hex(block))));
    const common = [
      'cache-control: private',
      'date: Mon, 21 Oct 2013 20:13:21 GMT',
      'location: https://www.example.com',
    ];
    expect(read).toEqual([
      [':status: 302', ...common],
      [':status: 307', ...common],
      [
        ':status: 200',
        common[0],
        'date: Mon, 21 Oct 2013 20:13:22 GMT',
        common[2],
        'content-encoding: gzip',
        'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
      ],
    ]);
  });

  it.each([
    ['index 0', '80'],
    ['an index that nothing stands under', 'be'],
    ['a name that nothing stands under', '7e01 61'],
    ['a number without an end', '8fff ffff ffff ffff ffff'],
    ['a number that only goes on', 'ff80 8080 8080 8080 8080 8080 8000'],
    ['a text beyond its block', '0005 6162'],
    ['nothing behind a name', '0001 61'],
    ['a table that is too large', '3fe2 1f'],
    ['a size behind a header', '8220'],
    ['an end mark', '0084 ffff ffff 00'],
    ['padding of zeros', '0081 1800'],
    ['padding of more than seven bits', '0082 1fff 00'],
  ])('takes no %s', (_name, block) => {
    expect(() => new HpackDecoder().decode(hex(block))).toThrow(HpackError);
  });

  it('throws nothing else, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
        const decoder = new HpackDecoder();
        try {
          for (const block of blocks) decoder.decode(Buffer.from(block));
        } catch (error) {
          expect(error).toBeInstanceOf(HpackError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('evicts the oldest, and empties the table for one that does not fit', () => {
    const decoder = new HpackDecoder();
    const literal = (name: string, value: string) => {
      const length = value.length < 127 ? [value.length] : [127, ...integer(value.length - 127)];
      return Buffer.concat([
        Buffer.from([0x40, name.length]),
        Buffer.from(name),
        Buffer.from(length),
        Buffer.from(value),
      ]);
    };
    const integer = (value: number) => (value < 128 ? [value] : [(value & 127) | 128, value >> 7]);
    for (let n = 0; n < 200; n++) decoder.decode(literal(`n${n % 10}`, 'v'.repeat(98)));
    // Each takes 132 of the 4096 octets: 31 of them.
    expect(list(decoder.decode(Buffer.from([0x80 | (61 + 31)])))[0]).toMatch(/^n9: v+$/);
    expect(() => decoder.decode(Buffer.from([0x80 | (61 + 32)]))).toThrow(HpackError);
    decoder.decode(literal('big', 'b'.repeat(4096)));
    expect(() => decoder.decode(Buffer.from([0x80 | 62]))).toThrow(HpackError);
  });

  const text = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
  it('writes what it reads, and leaves the table as it is', () => {
    const field = fc.record({
      name: fc.oneof(text, fc.constantFrom(...STATIC_TABLE.map(({ name }) => name))),
      value: fc.oneof(text, fc.constantFrom('', '/', 'GET', 'x'.repeat(5_000), 'y'.repeat(127))),
      never: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(field), fc.option(fc.nat(4096), { nil: undefined }), (fields, size) => {
        const decoder = new HpackDecoder();
        const block = encodeFields(fields, size);
        const plain = ({ name, value, never }: Field) => ({ name, value, never });
        expect(decoder.decode(block).map(plain)).toEqual(fields.map(plain));
        expect(() => decoder.decode(Buffer.from([0x80 | 62]))).toThrow(HpackError);
      }),
    );
  });
});
