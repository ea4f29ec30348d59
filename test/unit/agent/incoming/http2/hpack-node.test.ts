import { type ClientHttp2Session, connect } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FLAG, frame, headerFrames, TYPE } from '../../../../../src/agent/incoming/http2/frame';
import { FrameReader } from '../../../../../src/agent/incoming/http2/frame-reader';
import { HpackDecoder } from '../../../../../src/agent/incoming/http2/hpack/decode';
import { encodeFields } from '../../../../../src/agent/incoming/http2/hpack/encode';
import type { Field } from '../../../../../src/agent/incoming/http2/hpack/field';
import { blockOf } from '../../../../../src/agent/incoming/http2/read-payload';
import { listen, portOf } from './harness';

/** A server that reads each request with our decoder, and answers by our encoder with the same headers under other names. */
function serve(socket: Socket): void {
  const decoder = new HpackDecoder();
  const reader = new FrameReader(
    24,
    1e6,
    (unit) => {
      if (unit.type === TYPE.settings && !(unit.flags & FLAG.ack))
        socket.write(frame(TYPE.settings, FLAG.ack, 0, Buffer.alloc(0)));
      if (unit.type !== TYPE.headers) return undefined;
      const fields = decoder.decode(blockOf(unit));
      heard.push(fields);
      const back = fields
        .filter(({ name }) => !name.startsWith(':'))
        .map((field) => ({ ...field, name: `back-${field.name}` }));
      const all = [
        { name: ':status', value: '200', never: false },
        ...back.map(({ literal: _literal, ...field }) => field),
      ];
      socket.write(headerFrames(unit.stream, encodeFields(all), true, 16_384));
      return undefined;
    },
    () => {},
  );
  socket.on('error', () => {}).on('data', (chunk) => reader.read(chunk));
  socket.write(frame(TYPE.settings, 0, 0, Buffer.alloc(0)));
}

const heard: Field[][] = [];
const server = createServer(serve);
let session: ClientHttp2Session;

beforeAll(async () => {
  await listen(server);
  session = connect(`http://127.0.0.1:${portOf(server)}`).on('error', () => {});
});
afterAll(() => {
  session.destroy();
  server.close();
});

it('reads what Node writes and writes what Node reads, on one connection with one table', async () => {
  const name = fc.string({
    unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_'),
    minLength: 1,
    maxLength: 20,
  });
  const char = fc.oneof(fc.integer({ min: 0x21, max: 0x7e }), fc.integer({ min: 0xa1, max: 0xff }));
  const value = fc
    .array(char, { maxLength: 300 })
    .map((codes) => codes.map((code) => String.fromCharCode(code)).join(''));
  const list = fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(list, async (pairs) => {
      heard.length = 0;
      const given = Object.fromEntries(pairs.map(([key, text]) => [`x-${key}`, text]));
      const stream = session.request({ ':path': `/${pairs.length}`, ...given });
      const got = await new Promise<Record<string, unknown>>((resolve, reject) => {
        stream.on('response', resolve).on('error', reject).resume();
      });
      const read = Object.fromEntries(heard[0]!.map((field) => [field.name, field.value]));
      expect(read).toMatchObject({ ':method': 'GET', ':path': `/${pairs.length}`, ...given });
      expect(heard[0]).toHaveLength(4 + pairs.length);
      for (const [key, text] of Object.entries(given)) expect(got[`back-${key}`]).toBe(text);
    }),
    { numRuns: 300 },
  );
});
