import fs from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WireFailure } from '../../../src/protocol/session-types';
import { POD, type Pod, startPod } from './pod';

const CHUNK = 16 * 1024 * 1024;
const outer = process.env.TMPDIR;
let temporary: string;
let pod: Pod;
beforeEach(() => {
  // Of this test alone: others make copies at the same time.
  temporary = fs.mkdtempSync(join(tmpdir(), 'copies-'));
  process.env.TMPDIR = temporary;
  pod = startPod();
  pod.write('a.txt', '0123456789');
});
afterEach(() => {
  pod.stop();
  if (outer === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = outer;
  fs.rmSync(temporary, { recursive: true });
});

const copies = () => fs.readdirSync(temporary);

it('leaves no copy behind while the file is open, nor after a failure', async () => {
  const before = copies();
  const fd = fs.openSync(`${POD}/a.txt`, 'r');
  const handle = await fs.promises.open(`${POD}/a.txt`);
  expect(copies()).toEqual(before);
  expect(fs.readFileSync(fd, 'utf8')).toBe('0123456789');
  fs.closeSync(fd);
  await handle.close();
  expect(() => fs.openSync(`${POD}/none`, 'r')).toThrow('ENOENT');
  await expect(fs.promises.copyFile(`${POD}/a.txt`, '/none/at/all')).rejects.toThrow('ENOENT');
  expect(copies()).toEqual(before);
});

it.each([
  ['n', CHUNK, 1],
  ['n + 1', CHUNK + 1, 2],
  ['none', 0, 1],
])('brings a file of %s bytes in pieces', async (_name, size, calls) => {
  const data = Buffer.alloc(size, 'abcdefghijk');
  pod.write('big', data);
  const fd = await promisify(fs.open)(`${POD}/big`, 'r');
  expect(pod.asked.length).toBe(calls);
  expect(fs.readFileSync(fd).equals(data)).toBe(true);
  fs.closeSync(fd);
});

it('refuses to bring more than 2 GiB over, and says how', () => {
  const stat = { ...fs.statSync('.', { bigint: true }), size: 2n ** 31n };
  pod.answer = () => ({ result: { stat }, raw: new Uint8Array(10) });
  expect(() => fs.openSync(`${POD}/huge`, 'r')).toThrow(`EFBIG: file too large, open '${POD}/huge'`);
});

it('reads a file in ranges that one call may not bring', () => {
  pod.answer = (method) => {
    if (method === 'fs.readFile') throw new WireFailure({ code: 'EFBIG', syscall: 'open' });
    const stat = { ...fs.statSync('.', { bigint: true }), size: 4n, mode: 0o100644n };
    return { result: { stat }, raw: method === 'fs.read' ? Buffer.from('abcd') : new Uint8Array(0) };
  };
  const fd = fs.openSync(`${POD}/x`, 'r');
  expect(fs.readFileSync(fd, 'utf8')).toBe('abcd');
  fs.closeSync(fd);
});

it('tells what the pod says of an open file, until its number means another one', async () => {
  const stat = { ...fs.statSync('.', { bigint: true }), uid: 4711n, size: 2n, mode: 0o100600n };
  pod.answer = () => ({ result: { stat }, raw: Buffer.from('ab') });
  const handle = await fs.promises.open(`${POD}/x`);
  const { fd } = handle;
  expect((await handle.stat()).uid).toBe(4711);
  expect((await handle.stat({ bigint: true })).uid).toBe(4711n);
  expect(fs.fstatSync(fd).uid).toBe(4711);
  // Closes the descriptor without any function of fs that is patched.
  await handle.close();
  const again = fs.openSync(import.meta.filename, 'r');
  expect(again).toBe(fd);
  expect(fs.fstatSync(again).uid).not.toBe(4711);
  fs.closeSync(again);
  await expect(handle.stat()).rejects.toThrow();
});

it('streams a file into a response, as a web server sends it', async () => {
  pod.write('page.html', `<p>${'x'.repeat(300_000)}</p>`);
  const server = http.createServer(async (request, response) => {
    const { size } = await fs.promises.stat(`${POD}/page.html`);
    const [, start, end] = /(\d+)-(\d+)/.exec(request.headers.range ?? `0-${size - 1}`)!.map(Number);
    response.setHeader('content-length', end! - start! + 1);
    await pipeline(fs.createReadStream(`${POD}/page.html`, { start, end }), response);
  });
  await promisify(server.listen.bind(server) as (port: number, done: () => void) => void)(0);
  try {
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    expect((await (await fetch(url)).text()).length).toBe(300_007);
    expect(await (await fetch(url, { headers: { range: 'bytes=1-4' } })).text()).toBe('p>xx');
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

it('keeps times before 1970 and below a millisecond as Node counts them', () => {
  const times = { atimeNs: -1n, mtimeNs: 1_700_000_000_123_456_789n, ctimeNs: 0n, birthtimeNs: 999_999n };
  const stat = { ...fs.statSync('.', { bigint: true }), ...times };
  pod.answer = () => ({ result: { stat }, raw: new Uint8Array(0) });
  expect(fs.statSync(`${POD}/x`)).toMatchObject({ mtimeMs: 1_700_000_000_123.456_8, birthtimeMs: 0.999999 });
  const big = fs.statSync(`${POD}/x`, { bigint: true });
  expect([big.atimeMs, big.atimeNs, big.mtimeMs]).toEqual([-1n, -1n, 1_700_000_000_123n]);
  expect(big.mtime.toISOString()).toBe('2023-11-14T22:13:20.123Z');
});
