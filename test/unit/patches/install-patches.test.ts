import childProcess from 'node:child_process';
import dns, { lookup } from 'node:dns';
import fs from 'node:fs';
import net from 'node:net';
import os, { hostname } from 'node:os';
import workerThreads from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { installPatches } from '../../../src/patches/install-patches';
import { createScript } from './scripted-context';

const read = () => [
  dns.lookup,
  os.hostname,
  childProcess.spawnSync,
  childProcess.ChildProcess.prototype,
  workerThreads.Worker,
  workerThreads.Worker.prototype.constructor,
];

/** Everything that hangs on what is patched, in order: each object by identity, each property as it is defined. */
function describeModules(): unknown[] {
  const { TCP } = (process as any).binding('tcp_wrap');
  const seen = new Map<object, number>();
  const found: unknown[] = [];
  const visit = (path: string, value: unknown, depth: number): unknown => {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value;
    if (seen.has(value) || depth === 0) return ['object', value];
    seen.set(value, seen.size);
    for (const key of Reflect.ownKeys(value)) {
      const { value: held, get, set, ...flags } = Object.getOwnPropertyDescriptor(value, key)!;
      found.push([path, key, flags, get, set, visit(`${path}.${String(key)}`, held, depth - 1)]);
    }
    found.push([path, 'prototype of it', Object.getPrototypeOf(value)]);
    return ['object', value];
  };
  const modules = { childProcess, dns, fs, net, os, workerThreads, TCP };
  for (const [name, module] of Object.entries(modules)) visit(name, module, 3);
  return found;
}

describe('installing the patches', () => {
  it('changes named imports too, and the undo takes everything back', () => {
    const before = read();
    const named = [hostname, lookup];
    const undo = installPatches(createScript().context);
    expect(hostname()).toBe('pod-1');
    expect(`${os.hostname}`).toBe('pod-1');
    expect(lookup).toBe(dns.lookup);
    expect(lookup).not.toBe(named[1]);
    undo();
    expect(read()).toEqual(before);
    expect([hostname, lookup]).toEqual(named);
    expect(Object.getOwnPropertySymbols(net)).not.toContain(Symbol.for('mirrord.patches'));
  });

  it('leaves no trace once they are taken back: a start does it once to have everything loaded', () => {
    const before = describeModules();
    for (let round = 0; round < 2; round++) installPatches(createScript().context)();
    expect(describeModules()).toEqual(before);
  });

  it('a second time does nothing, and neither does its undo', () => {
    const undo = installPatches(createScript().context);
    const patched = read();
    const again = installPatches(createScript().context);
    expect(read()).toEqual(patched);
    again();
    expect(read()).toEqual(patched);
    undo();
    undo();
    expect(hostname()).not.toBe('pod-1');
  });

  it('can be done again after the undo', () => {
    for (let round = 0; round < 2; round++) {
      const undo = installPatches(createScript().context);
      expect(hostname()).toBe('pod-1');
      undo();
    }
  });

  it('leaves the hostname alone when the pod has none to give', () => {
    const before = os.hostname;
    const { context } = createScript();
    const undo = installPatches({ ...context, hostname: undefined });
    expect(os.hostname).toBe(before);
    undo();
  });
});
