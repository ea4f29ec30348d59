import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FileIntent, REMOTE, type Verdict } from '../../../src/runtime/verdict';
import { POD, type Pod, startPod } from './pod';

let pod: Pod;
let here: string;
beforeEach(() => {
  here = fs.mkdtempSync(join(tmpdir(), 'here-'));
  pod = startPod();
});
afterEach(() => {
  pod.stop();
  fs.rmSync(here, { recursive: true, force: true });
});

const cause = new Error('why');
const refuse: Verdict = {
  kind: 'refuse',
  error: Object.assign(new Error('EROFS', { cause }), { code: 'EROFS' }),
};
const local: Verdict = { kind: 'bypass', reason: 'default-local' };

function refuseWrites(): void {
  pod.decide = (path, intent) => {
    if (!path.startsWith(`${POD}/`)) return local;
    return intent === 'write' ? refuse : REMOTE;
  };
}

describe('a write that the rules give to the pod', () => {
  const file = `${POD}/x`;
  it.each<[string, unknown[], string]>([
    ['writeFile', [file, 'x'], `open '${file}'`],
    ['appendFile', [file, 'x'], `open '${file}'`],
    ['open', [file, 'w'], `open '${file}'`],
    ['open', [file, 'r+'], `open '${file}'`],
    ['open', [file, fs.constants.O_RDONLY | fs.constants.O_CREAT], `open '${file}'`],
    ['readFile', [file, { flag: 'a+' }], `open '${file}'`],
    ['mkdir', [file], `mkdir '${file}'`],
    ['rm', [file], `rm '${file}'`],
    ['unlink', [file], `unlink '${file}'`],
    ['rename', ['/tmp/a', file], `rename '/tmp/a' -> '${file}'`],
    ['rename', [file, '/tmp/a'], `rename '${file}' -> '/tmp/a'`],
    ['symlink', ['target', file], `symlink 'target' -> '${file}'`],
    ['copyFile', [import.meta.filename, file], `copyfile '${import.meta.filename}' -> '${file}'`],
    ['copyFile', [`${POD}/y`, file], `copyfile '${POD}/y' -> '${file}'`],
    ['chmod', [file, 0o600], `chmod '${file}'`],
    ['utimes', [file, 1, 1], `utime '${file}'`],
    ['truncate', [file, 1], `open '${file}'`],
  ])('is refused in all forms: %s %j', async (method, args, text) => {
    refuseWrites();
    const functions = fs as unknown as Record<string, (...args: unknown[]) => unknown>;
    const promises = fs.promises as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const message = `EROFS: read-only file system, ${text}`;
    expect(() => functions[`${method}Sync`]!(...args)).toThrow(message);
    const error = await promises[method]!(...args).catch((failed) => failed);
    expect(error).toMatchObject({ code: 'EROFS', message, cause });
    const called = await new Promise<Error>((resolve) => functions[method]!(...args, resolve));
    expect(called.message).toBe(message);
    expect(pod.asked).toEqual([]);
  });
});

it.each(['..', '../../escaped', '/escaped'])('takes no name from the pod that leads elsewhere: %s', async (name) => {
  const stat = { ...fs.statSync(here, { bigint: true }) };
  pod.answer = (method, params) => {
    if (method === 'fs.readdir') return { result: { entries: [{ name, type: 1, parent: '' }] } };
    const mode = params.path === `${POD}/tree` ? 0o040755n : 0o100644n;
    return { result: { stat: { ...stat, mode, size: 1n } }, raw: Buffer.from('x') };
  };
  const copying = fs.promises.cp(`${POD}/tree`, join(here, 'copy'), { recursive: true });
  await expect(copying).rejects.toMatchObject({ code: 'EINVAL', path: name });
  expect(fs.readdirSync(here)).toEqual([]);
});

describe('a change on this machine', () => {
  /** A folder of this machine whose files the rules read from the pod. */
  function readHereFromPod(): void {
    pod.decide = (path, intent: FileIntent) => (path.startsWith(`${here}/tree`) && intent !== 'write' ? REMOTE : local);
    pod.answer = () => {
      throw new Error('The pod was asked for what is being changed here.');
    };
  }
  function makeTree(): void {
    pod.decide = () => local;
    fs.mkdirSync(join(here, 'tree', 'deep'), { recursive: true });
    fs.writeFileSync(join(here, 'tree', 'deep', 'file'), 'x');
  }

  it.each(['rmSync', 'rm', 'promises.rm'])('removes a tree without asking the pod (%s)', async (form) => {
    makeTree();
    pod.stop();
    pod = startPod();
    readHereFromPod();
    const tree = join(here, 'tree');
    if (form === 'rmSync') fs.rmSync(tree, { recursive: true });
    else if (form === 'rm') await promisify(fs.rm)(tree, { recursive: true });
    else await fs.promises.rm(tree, { recursive: true });
    expect(fs.readdirSync(here)).toEqual([]);
    expect(pod.asked).toEqual([]);
  });

  it('asks the pod again in the callback of a removal', async () => {
    makeTree();
    pod.stop();
    pod = startPod();
    pod.write('a', 'from the pod');
    const text = await new Promise((resolve, reject) => {
      fs.rm(join(here, 'tree'), { recursive: true }, (error) => {
        if (error) reject(error);
        fs.readFile(`${POD}/a`, 'utf8', (failed, data) => (failed ? reject(failed) : resolve(data)));
      });
    });
    expect(text).toBe('from the pod');
  });

  it.each(['cpSync', 'promises.cp'])('copies within this machine without asking the pod (%s)', async (form) => {
    makeTree();
    pod.stop();
    pod = startPod();
    readHereFromPod();
    pod.decide = (path, intent) => (path.startsWith(`${here}/copy`) && intent !== 'write' ? REMOTE : local);
    const args = [join(here, 'tree'), join(here, 'copy'), { recursive: true }] as const;
    if (form === 'cpSync') fs.cpSync(...args);
    else await fs.promises.cp(...args);
    pod.decide = () => local;
    pod.stop();
    expect(fs.readFileSync(join(here, 'copy', 'deep', 'file'), 'utf8')).toBe('x');
    pod = startPod();
  });

  it('happens under the mapped name, in every form', async () => {
    pod.remotePath = (path) => path.replace(/^\/home-of-the-app/, here);
    pod.decide = () => local;
    fs.writeFileSync('/home-of-the-app/one', '1');
    await fs.promises.writeFile('/home-of-the-app/two', '2');
    await promisify(fs.rename)('/home-of-the-app/two', '/home-of-the-app/three');
    expect(fs.readdirSync('/home-of-the-app')).toEqual(['one', 'three']);
    expect(await fs.promises.readFile('/home-of-the-app/one', 'utf8')).toBe('1');
    expect(await promisify(fs.stat)('/home-of-the-app/three')).toMatchObject({ size: 1 });
  });
});
