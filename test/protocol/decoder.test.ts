import { describe, expect, it } from 'vitest';
import { FrameDecoder } from '../../src/protocol/decoder';
import { type Frame, FrameType, HEADER_BYTES, makeFrame, u32 } from '../../src/protocol/frame';
import { MAX_FRAME_PAYLOAD } from '../../src/protocol/limits';

const FRAMES = [
  { type: FrameType.OPEN, flags: 0, id: 1, payload: Buffer.from('open') },
  { type: FrameType.DATA, flags: 1, id: 0xffff_fffe, payload: Buffer.from('some data') },
  { type: FrameType.CANCEL, flags: 0, id: 7, payload: Buffer.alloc(0) },
  { type: 200, flags: 0xabcd, id: 3, payload: Buffer.from('of the future') },
];
const WIRE = Buffer.concat(FRAMES.flatMap((f) => makeFrame(f.type, f.flags, f.id, [f.payload]).buffers));

function decodeChunks(chunks: Uint8Array[], decoder = new FrameDecoder()): Frame[] {
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let frame = decoder.next(); frame; frame = decoder.next()) {
      frames.push({ ...frame, payload: Buffer.from(frame.payload) });
    }
  }
  return frames;
}

describe('FrameDecoder', () => {
  it('gives the same frames for every split point', () => {
    for (let at = 0; at <= WIRE.length; at += 1) {
      expect(decodeChunks([WIRE.subarray(0, at), WIRE.subarray(at)])).toEqual(FRAMES);
    }
  });

  it('gives the same frames for every pair of split points', () => {
    for (let a = 0; a <= WIRE.length; a += 1) {
      for (let b = a; b <= WIRE.length; b += 1) {
        const frames = decodeChunks([WIRE.subarray(0, a), WIRE.subarray(a, b), WIRE.subarray(b)]);
        expect(frames.length).toBe(FRAMES.length);
        expect(frames.map((frame) => frame.payload.toString()).join()).toBe(FRAMES.map((f) => `${f.payload}`).join());
      }
    }
  });

  it('gives the same frames byte by byte', () => {
    expect(decodeChunks(Array.from(WIRE, (byte) => Buffer.of(byte)))).toEqual(FRAMES);
  });

  it('does not copy a payload that lies within one chunk', () => {
    const decoder = new FrameDecoder();
    decoder.push(WIRE);
    expect(decoder.next()?.payload.buffer).toBe(WIRE.buffer);
  });

  it('leaves what follows a frame untouched in rest()', () => {
    const decoder = new FrameDecoder();
    const first = HEADER_BYTES + FRAMES[0]!.payload.length;
    decoder.push(WIRE);
    decoder.next();
    expect(Buffer.from(decoder.rest()).equals(WIRE.subarray(first))).toBe(true);
  });

  it('takes a payload of the limit and refuses one byte more', () => {
    const header = (length: number) => Buffer.concat([Buffer.of(1, FrameType.CALL, 0, 0), u32(1, length)]);
    const whole = Buffer.concat([header(MAX_FRAME_PAYLOAD), Buffer.alloc(MAX_FRAME_PAYLOAD)]);
    expect(decodeChunks([whole])[0]?.payload.byteLength).toBe(MAX_FRAME_PAYLOAD);
    expect(() => decodeChunks([header(MAX_FRAME_PAYLOAD + 1)])).toThrow(/1048577 bytes, the limit is 1048576/);
  });

  it('refuses another version at its first byte', () => {
    expect(() => decodeChunks([Buffer.from('H')])).toThrow('frame version 72, expected 1');
  });
});
