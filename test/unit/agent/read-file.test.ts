import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileCalls } from '../../../src/agent/file-calls';
import type { OpenSources } from '../../../src/agent/files/file-source';
import { IN_MEMORY } from '../../../src/agent/files/read-file';
import type { HandlerAnswer } from '../../../src/protocol/rpc';
import { makeRoot, rejection } from './pod-root';

let root: ReturnType<typeof makeRoot>;
let sources: OpenSources;
let calls: ReturnType<typeof fileCalls>;

beforeEach(() => {
  root = makeRoot({ 'small.txt': 'hello', 'empty.txt': '', 'dir/inner': 'x' });
  sources = new Set();
  calls = fileCalls(() => root, sources);
});
afterEach(() => root.remove());

async function bytesOf({ raw }: { raw?: HandlerAnswer['raw'] }): Promise<Buffer> {
  if (!raw) throw new Error('no bytes came');
  if (raw instanceof Uint8Array) return Buffer.from(raw);
  const chunks: Uint8Array[] = [];
  for await (const chunk of raw.chunks) chunks.push(chunk);
  expect(Buffer.concat(chunks)).toHaveLength(raw.length);
  return Buffer.concat(chunks);
}

describe('fs.readFile', () => {
  it('gives the bytes and the stat in one call', async () => {
    const answer = await calls['fs.readFile']({ path: '/small.txt' });
    expect((await bytesOf(answer)).toString()).toBe('hello');
    expect(answer.result.stat.size).toBe(5n);
    expect(await bytesOf(await calls['fs.readFile']({ path: '/empty.txt' }))).toHaveLength(0);
  });

  it('a file of the inline size comes from memory, one byte more while it is read, both whole', async () => {
    for (const size of [IN_MEMORY, IN_MEMORY + 1, 3_000_001]) {
      const content = randomBytes(size);
      writeFileSync(join(root.path, 'big'), content);
      const answer = await calls['fs.readFile']({ path: '/big' });
      expect(answer.raw instanceof Uint8Array).toBe(size === IN_MEMORY);
      expect((await bytesOf(answer)).equals(content)).toBe(true);
    }
    expect(sources.size).toBe(0);
  });

  it('maxBytes cuts', async () => {
    expect((await bytesOf(await calls['fs.readFile']({ path: '/small.txt', maxBytes: 2 }))).toString()).toBe('he');
  });

  it('a sparse file over 2 GiB is EFBIG, and one just under is not', async () => {
    writeFileSync(join(root.path, 'huge'), '');
    truncateSync(join(root.path, 'huge'), 2 ** 31);
    expect(await rejection(calls['fs.readFile']({ path: '/huge' }))).toMatchObject({ code: 'EFBIG' });
    truncateSync(join(root.path, 'huge'), 2 ** 31 - 1);
    const { raw } = await calls['fs.readFile']({ path: '/huge' });
    expect((raw as { length: number }).length).toBe(2 ** 31 - 1);
    for (const end of sources) end();
  });

  it('a directory fails at the read, as in Node', async () => {
    expect(await rejection(calls['fs.readFile']({ path: '/dir' }))).toMatchObject({
      code: 'EISDIR',
      errno: -21,
      syscall: 'read',
    });
  });

  it('a FIFO and a socket are refused at once', async () => {
    execFileSync('mkfifo', [join(root.path, 'fifo')]);
    const server = createServer().listen(join(root.path, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    const started = performance.now();
    expect(await rejection(calls['fs.readFile']({ path: '/fifo' }))).toMatchObject({ code: 'ENOTSUP', path: '/fifo' });
    expect(await rejection(calls['fs.readFile']({ path: '/socket' }))).toMatchObject({
      code: 'ENXIO',
      syscall: 'open',
    });
    expect(await rejection(calls['fs.read']({ path: '/fifo', position: 0, length: 1 }))).toMatchObject({
      code: 'ENOTSUP',
    });
    expect(performance.now() - started).toBeLessThan(1000);
    server.close();
  });

  it('of the devices only null, zero and random are read, the endless ones with a limit', async () => {
    const whole = fileCalls(() => ({ path: '/', innerPid: undefined }), sources);
    expect(await bytesOf(await whole['fs.readFile']({ path: '/dev/null' }))).toHaveLength(0);
    expect(await bytesOf(await whole['fs.readFile']({ path: '/dev/zero', maxBytes: 100_000 }))).toHaveLength(100_000);
    expect(await rejection(whole['fs.readFile']({ path: '/dev/zero' }))).toMatchObject({ code: 'ENOTSUP' });
    expect(await rejection(whole['fs.readFile']({ path: '/dev/tty', maxBytes: 1 }))).toMatchObject({ code: 'ENOTSUP' });
  });

  it('files of procfs, which say they are empty, are read to their end', async () => {
    const whole = fileCalls(() => ({ path: '/', innerPid: undefined }), sources);
    const answer = await bytesOf(await whole['fs.readFile']({ path: `/proc/${process.pid}/status` }));
    expect(answer.toString()).toContain(`Pid:\t${process.pid}\n`);
  });

  it('a file that is not taken to its end is closed by the taker, and by the end of the session', async () => {
    writeFileSync(join(root.path, 'big'), Buffer.alloc(1_000_000));
    const before = readdirSync('/proc/self/fd').length;
    const { raw } = await calls['fs.readFile']({ path: '/big' });
    if (!raw || raw instanceof Uint8Array) throw new Error('expected a source');
    for await (const _chunk of raw.chunks) break;
    await calls['fs.readFile']({ path: '/big' });
    expect(sources.size).toBe(1);
    for (const end of sources) end();
    expect(readdirSync('/proc/self/fd')).toHaveLength(before);
  });

  it('flags that would write are refused', async () => {
    expect(await rejection(calls['fs.readFile']({ path: '/small.txt', flags: 0o100 }))).toMatchObject({
      code: 'EROFS',
    });
    expect(await rejection(calls['fs.readFile']({ path: '/small.txt', flags: 1 }))).toMatchObject({ code: 'EBADF' });
    await calls['fs.readFile']({ path: '/small.txt', flags: 2 });
  });
});

describe('fs.read', () => {
  it('gives a range, a short one at the end, an empty one behind it', async () => {
    const range = async (position: number, length: number) =>
      (await bytesOf(await calls['fs.read']({ path: '/small.txt', position, length }))).toString();
    expect(await range(1, 3)).toBe('ell');
    expect(await range(3, 100)).toBe('lo');
    expect(await range(5, 1)).toBe('');
    expect(await range(50, 1)).toBe('');
  });

  it('a long range from the middle is right', async () => {
    const content = randomBytes(500_000);
    writeFileSync(join(root.path, 'big'), content);
    const answer = await calls['fs.read']({ path: '/big', position: 1234, length: 400_000 });
    expect((await bytesOf(answer)).equals(content.subarray(1234, 401_234))).toBe(true);
  });

  it('refuses what is no position', async () => {
    for (const position of [-1, 1.5, Number.NaN]) {
      const error = await rejection(calls['fs.read']({ path: '/small.txt', position, length: 1 }));
      expect(error).toMatchObject({ code: 'BAD_PARAMETERS' });
    }
  });
});
