import { AsyncLocalStorage } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { POD, type Pod, startPod } from './pod';

const before: Record<string, PropertyDescriptor> = Object.getOwnPropertyDescriptors(fs);
const beforePromises: Record<string, PropertyDescriptor> = Object.getOwnPropertyDescriptors(fs.promises);
const captured = { ...fs };
let pod: Pod;
beforeEach(() => {
  pod = startPod();
  pod.write('data/a.txt', 'hello');
});
afterEach(() => pod.stop());

describe('the wrappers look like what they wrap', () => {
  it.each([
    ['fs', fs, before],
    ['fs.promises', fs.promises, beforePromises],
  ] as const)('keep names, lengths and own properties (%s)', (_name, module_, originals) => {
    for (const [name, { value }] of Object.entries(originals)) {
      if (typeof value !== 'function' || /^[A-Z_]/.test(name)) continue;
      const now = (module_ as unknown as Record<string, typeof value>)[name];
      expect([name, now.name, now.length]).toEqual([name, value.name, value.length]);
      expect(new Set(Reflect.ownKeys(now))).toEqual(new Set(Reflect.ownKeys(value)));
      expect(Object.getPrototypeOf(now)).toBe(Object.getPrototypeOf(value));
    }
    expect(module_.readFile).not.toBe(originals.readFile!.value);
  });

  it('cover realpath.native, which is a property of a function', () => {
    expect(fs.realpath.native).not.toBe(captured.realpath.native);
    expect(fs.realpath.native.name).toBe(captured.realpath.native.name);
    expect(fs.realpathSync.native.length).toBe(captured.realpathSync.native.length);
  });

  it('keep the descriptors of their properties', () => {
    for (const [name, descriptor] of Object.entries(before)) {
      if (!('value' in descriptor)) continue;
      const { writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(fs, name)!;
      expect({ name, writable, enumerable, configurable }).toEqual({
        name,
        writable: descriptor.writable,
        enumerable: descriptor.enumerable,
        configurable: descriptor.configurable,
      });
    }
  });

  it('are all gone after the undo', () => {
    pod.stop();
    for (const [name, { value }] of Object.entries(before)) {
      if (value !== undefined) expect((fs as unknown as Record<string, unknown>)[name]).toBe(value);
    }
    for (const [name, { value }] of Object.entries(beforePromises)) {
      expect((fs.promises as unknown as Record<string, unknown>)[name]).toBe(value);
    }
    expect(fs.realpath.native).toBe(captured.realpath.native);
    pod = startPod();
  });

  it('do nothing any more where somebody has captured them before the undo', () => {
    const { existsSync } = fs;
    pod.stop();
    expect(existsSync(`${POD}/data/a.txt`)).toBe(false);
    expect(pod.asked).toEqual([]);
    pod = startPod();
  });

  it('stay where somebody else has patched over them', () => {
    const ours = fs.statSync;
    const theirs = ((...args: Parameters<typeof ours>) => ours(...args)) as typeof ours;
    Object.assign(fs, { statSync: theirs });
    pod.stop();
    expect(fs.statSync).toBe(theirs);
    Object.assign(fs, { statSync: captured.statSync });
    pod = startPod();
  });

  it('are what named imports of ES modules call after a sync', async () => {
    syncBuiltinESMExports();
    const { readFileSync } = await import('node:fs');
    const { readFile } = await import('node:fs/promises');
    expect(readFileSync(`${POD}/data/a.txt`, 'utf8')).toBe('hello');
    expect(await readFile(`${POD}/data/a.txt`, 'utf8')).toBe('hello');
    pod.stop();
    syncBuiltinESMExports();
    pod = startPod();
  });

  it('are what a library captures that copies the module, as graceful-fs does', async () => {
    const clone = Object.defineProperties(
      Object.create(Object.getPrototypeOf(fs)),
      Object.getOwnPropertyDescriptors(fs),
    );
    const { readFile } = clone as typeof fs;
    expect(String(await promisify(readFile)(`${POD}/data/a.txt`))).toBe('hello');
  });
});

describe('one call of the app', () => {
  it.each(['sync', 'async'])('is one round trip for readFile (%s)', async (form) => {
    if (form === 'sync') fs.readFileSync(`${POD}/data/a.txt`);
    else await fs.promises.readFile(`${POD}/data/a.txt`);
    expect(pod.asked).toEqual([{ method: 'fs.readFile', path: `${POD}/data/a.txt`, form }]);
  });

  it('asks nothing for a file of this machine, of any kind of path', () => {
    const here = import.meta.url;
    fs.readFileSync(new URL(here));
    fs.statSync(Buffer.from(process.cwd()));
    fs.existsSync('package.json');
    fs.existsSync('../elsewhere');
    expect(pod.asked).toEqual([]);
  });

  it('keeps the context of its caller', async () => {
    const context = new AsyncLocalStorage<string>();
    const seen = await context.run('mine', () => {
      return new Promise((resolve) => fs.stat(`${POD}/data/a.txt`, () => resolve(context.getStore())));
    });
    expect(seen).toBe('mine');
  });

  it('gives every reader a buffer of its own', () => {
    const bytes = new Uint8Array(Buffer.from('shared by all'));
    pod.answer = () => ({ result: { stat: fs.statSync('.', { bigint: true }) }, raw: bytes.subarray(0, 6) });
    const buffer = fs.readFileSync(`${POD}/x`);
    buffer.fill(0);
    expect(Buffer.from(bytes).toString()).toBe('shared by all');
    expect(buffer.buffer.byteLength).toBe(6);
  });

  it('has the stack of the caller when it throws', () => {
    function callerOfTheApp() {
      fs.readFileSync(`${POD}/none`);
    }
    try {
      callerOfTheApp();
      expect.unreachable();
    } catch (error) {
      const [, first] = (error as Error).stack!.split('\n');
      expect(first).toContain('callerOfTheApp');
    }
  });

  it('leaves what a callback throws uncaught, not rejected', () => {
    const code = `
      process.on('uncaughtException', (error) => console.log('uncaught', error.message));
      process.on('unhandledRejection', (error) => console.log('rejected', error.message));
      const { build } = require('esbuild');
      const entry = ${JSON.stringify(new URL('./pod.ts', import.meta.url).pathname)};
      build({ entryPoints: [entry], bundle: true, write: false, platform: 'node', format: 'cjs' }).then(({ outputFiles }) => {
        const module_ = { exports: {} };
        new Function('module', 'exports', 'require', outputFiles[0].text)(module_, module_.exports, require);
        const pod = module_.exports.startPod();
        require('node:fs').readFile('${POD}/none', (error) => { pod.stop(); throw error; });
      });`;
    const file = createRequire(import.meta.url).resolve('esbuild');
    const output = execFileSync(process.execPath, ['-e', code], { cwd: file.slice(0, file.indexOf('/node_modules')) });
    expect(output.toString()).toBe(`uncaught ENOENT: no such file or directory, open '${POD}/none'\n`);
    expect(basename(file)).toBe('main.js');
  });
});
