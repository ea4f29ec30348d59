import fs from 'node:fs';
import { constants } from 'node:os';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MirrordError } from '../../../src/errors';
import { systemError } from '../../../src/patches/fs/errors';
import { matchSyncShape } from '../../../src/patches/fs/sync-errors';
import { WireFailure } from '../../../src/protocol/session-types';
import { POD, type Pod, startPod } from './pod';

let pod: Pod;
beforeEach(() => {
  pod = startPod();
});
afterEach(() => pod.stop());

function fail(error: Error): void {
  pod.answer = () => {
    throw error;
  };
}

async function failuresOf(path: string): Promise<NodeJS.ErrnoException[]> {
  const errors: NodeJS.ErrnoException[] = [];
  try {
    fs.readFileSync(path);
  } catch (error) {
    errors.push(error as NodeJS.ErrnoException);
  }
  errors.push(await new Promise((resolve) => fs.readFile(path, (error) => resolve(error!))));
  errors.push(await fs.promises.readFile(path).catch((error) => error));
  return errors;
}

it('gives the numbers of this system, whatever the agent calls them', async () => {
  fail(new WireFailure({ code: 'ENOTEMPTY', errno: -66, syscall: 'open', path: '/other' }));
  for (const error of await failuresOf(`${POD}/x`)) {
    expect(error.errno).toBe(-constants.errno.ENOTEMPTY);
    expect(error.message).toBe(`ENOTEMPTY: directory not empty, open '${POD}/x'`);
    expect(error.cause).toBe(undefined);
  }
});

it.each(['LINK_LOST', 'CALL_TIMEOUT'])('says EIO when the pod cannot be asked (%s), with the reason', async (code) => {
  const reason = new MirrordError(code, 'The session has ended.');
  fail(reason);
  const errors = await failuresOf(`${POD}/x`);
  expect(errors).toHaveLength(3);
  for (const error of errors) {
    expect(error).toMatchObject({ code: 'EIO', errno: -constants.errno.EIO, syscall: 'open', path: `${POD}/x` });
    expect(error.message).toContain(`mirrord: ${code}: The session has ended.`);
    expect(error.cause).toBe(reason);
    expect(Object.keys(error)).toEqual(['errno', 'code', 'syscall', 'path']);
  }
});

it('answers false for a file whose pod cannot be asked', () => {
  fail(new MirrordError('LINK_LOST', 'The session has ended.'));
  expect(fs.existsSync(`${POD}/x`)).toBe(false);
});

it('says that a file is too large as Node does', async () => {
  pod.answer = (method) => {
    if (method === 'fs.readFile') throw new WireFailure({ code: 'EFBIG', syscall: 'read' });
    return { result: { stat: { size: 2n ** 31n } }, raw: new Uint8Array(0) };
  };
  for (const error of await failuresOf(`${POD}/large`)) {
    expect(error).toBeInstanceOf(RangeError);
    expect(error.code).toBe('ERR_FS_FILE_TOO_LARGE');
    expect(error.message).toBe('File size (2147483648) is greater than 2 GiB');
  }
});

it('keeps errors of another origin as they are', () => {
  const odd = new TypeError('not of the system');
  fail(odd);
  expect(() => fs.statSync(`${POD}/x`)).toThrow(odd);
});

it('builds errors with the properties this version has, in its order', () => {
  for (const method of ['stat', 'opendir', 'readdir', 'readlink'] as const) {
    const missing = `${process.execPath}/none`;
    let real: unknown;
    try {
      (fs[`${method}Sync`] as (path: string) => unknown)(missing);
    } catch (error) {
      real = error;
    }
    const syscall = method === 'readdir' ? 'scandir' : method;
    const ours = matchSyncShape(systemError('ENOTDIR', { syscall, path: missing }), method) as Error;
    expect(Object.entries(ours)).toEqual(Object.entries(real as object));
    expect(ours.message).toBe((real as Error).message);
  }
});

it('has what the agent adds to a code as its cause', async () => {
  const failure = new WireFailure({ code: 'ENOTSUP', syscall: 'open', message: 'a FIFO could wait forever' });
  fail(failure);
  for (const error of await failuresOf(`${POD}/fifo`)) {
    expect(error.code).toBe('ENOTSUP');
    expect(error.cause).toBe(failure);
  }
});
