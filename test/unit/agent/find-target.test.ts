import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../../src/agent/log';
import { namesContainer } from '../../../src/agent/target/cgroup';
import { findTarget, waitForTarget } from '../../../src/agent/target/find-target';
import { parseNamespacePids, parseStartTime, readProcess } from '../../../src/agent/target/process-facts';
import { watchTarget } from '../../../src/agent/target/watch-target';
import { until } from './pod-node';
import { rejection } from './pod-root';

const ID = '3f'.repeat(32);
const NONE = { hostNetwork: false, ephemeral: false, sharedProcesses: false };
const OTHER = `${'3f'.repeat(31)}aa`;
const POD = 'kubepods-besteffort-pod0a1b2c3d_0000_4444_8888_123456789abc';

describe('namesContainer', () => {
  it.each([
    ['containerd, systemd, v2', `0::/kubepods.slice/kubepods-besteffort.slice/${POD}.slice/cri-containerd-${ID}.scope`],
    ['containerd, cgroupfs, v2', `0::/kubepods/besteffort/pod0a1b2c3d/${ID}`],
    [
      'containerd, cgroupfs, v1',
      `9:name=systemd:/kubepods/besteffort/pod0a1b2c3d/${ID}\n8:pids:/kubepods/besteffort/x/${ID}`,
    ],
    ['containerd, colons', `0::/system.slice/containerd.service/${POD}.slice:cri-containerd:${ID}`],
    ['cri-o', `0::/kubepods.slice/kubepods-burstable.slice/${POD}.slice/crio-${ID}.scope`],
    ['cri-o, inner cgroup', `0::/kubepods.slice/${POD}.slice/crio-${ID}.scope/container`],
    ['docker, systemd', `0::/kubepods.slice/${POD}.slice/docker-${ID}.scope`],
    ['docker, cgroupfs, v1', `4:memory:/kubepods/burstable/pod0a1b2c3d/${ID}\n1:cpu:/`],
    ['a cgroup namespace of its own', `0::/../../${POD}.slice/cri-containerd-${ID}.scope`],
    ['a cgroup namespace of its own, cgroupfs', `0::/../../pod0a1b2c3d/${ID}`],
    ['a systemd inside', `0::/kubepods.slice/${POD}.slice/cri-containerd-${ID}.scope/init.scope`],
  ])('%s', (_name, cgroup) => {
    expect(namesContainer(`${cgroup}\n`, ID)).toBe(true);
    expect(namesContainer(`${cgroup}\n`, OTHER)).toBe(false);
  });

  it.each([
    ['the monitor of cri-o', `0::/kubepods.slice/${POD}.slice/crio-conmon-${ID}.scope`],
    ['the monitor of podman', `0::/machine.slice/libpod-conmon-${ID}.scope`],
    ['the pod', `0::/kubepods.slice/${POD}.slice`],
    ['an id that only ends alike', `0::/kubepods/pod1/a${ID}`],
    ['an id that only begins alike', `0::/kubepods/pod1/${ID}a`],
    ['the node', '0::/'],
    ['nothing', ''],
  ])('not %s', (_name, cgroup) => {
    expect(namesContainer(cgroup, ID)).toBe(false);
  });
});

describe('facts of a process', () => {
  it('a command name with spaces and brackets does not shift the fields', () => {
    const fields = ['S', ...Array.from({ length: 18 }, () => '0'), '4711', '0'];
    expect(parseStartTime(`12 (a) b) c) ${fields.join(' ')}`)).toEqual({ state: 'S', startTime: 4711 });
    expect(parseStartTime('nonsense')).toBe(undefined);
  });

  it('NSpid goes from our namespace to the innermost', () => {
    expect(parseNamespacePids('Name:\tsh\nNSpid:\t4000\t17\t1\nNSsid:\t0\n')).toEqual([4000, 17, 1]);
  });

  it('this very process has facts, one that does not exist has none', () => {
    expect(readProcess(process.pid)).toMatchObject({ pid: process.pid });
    expect(readProcess(2 ** 22 + 1)).toBe(undefined);
  });
});

interface Fake {
  cgroup?: string;
  start?: number;
  pids?: number[];
  net?: string;
  state?: string;
}

describe('findTarget', () => {
  let proc: string;
  const lines: string[] = [];
  const log = createLog({ level: 'warn', json: false, part: 'test', write: (line) => lines.push(line) });
  const inScope = (prefix: string) => `0::/kubepods.slice/${POD}.slice/${prefix}-${ID}.scope\n`;

  const addProcess = (
    pid: number,
    { cgroup = '0::/\n', start = 100, pids = [pid], net = 'net:[1]', state = 'S' }: Fake,
  ) => {
    const folder = join(proc, String(pid));
    mkdirSync(join(folder, 'ns'), { recursive: true });
    writeFileSync(join(folder, 'cgroup'), cgroup);
    writeFileSync(join(folder, 'stat'), `${pid} (x) ${[state, ...Array(18).fill(0), start].join(' ')} 0`);
    writeFileSync(join(folder, 'status'), `NSpid:\t${pids.join('\t')}\n`);
    symlinkSync(net, join(folder, 'ns', 'net'));
  };
  const find = (request: { hostNetwork?: boolean; ephemeral?: boolean; sharedProcesses?: boolean } = {}) =>
    findTarget({ containerId: ID, ...NONE, ...request }, log, proc);

  beforeEach(() => {
    proc = mkdtempSync(join(tmpdir(), 'mirrord-proc-'));
    lines.length = 0;
    addProcess(1, {});
    mkdirSync(join(proc, 'sys'));
  });
  afterEach(() => rmSync(proc, { recursive: true }));

  it('takes the init of the container, not what it started or what was exec-ed, whatever the order of ids', () => {
    addProcess(900, { cgroup: inScope('cri-containerd'), start: 500, pids: [900, 1], net: 'net:[2]' });
    addProcess(200, { cgroup: inScope('cri-containerd'), start: 700, pids: [200, 30], net: 'net:[2]' });
    addProcess(300, { cgroup: inScope('cri-containerd'), start: 400, pids: [300, 31], net: 'net:[2]' });
    expect(find()).toMatchObject({ pid: 900, innerPid: 1, startTime: 500 });
  });

  it('in a process namespace that the pod shares, it takes the one that started first', () => {
    addProcess(40, { cgroup: inScope('crio'), start: 300, pids: [40, 12], net: 'net:[2]' });
    addProcess(50, { cgroup: inScope('crio'), start: 200, pids: [50, 7], net: 'net:[2]' });
    expect(find()).toMatchObject({ pid: 50, innerPid: 7 });
  });

  it('an init nested in the container is later, so it is not taken', () => {
    addProcess(60, { cgroup: inScope('docker'), start: 200, pids: [60, 1], net: 'net:[2]' });
    const inner = inScope('docker').trim();
    addProcess(20, { cgroup: `${inner}/docker/${'e'.repeat(64)}\n`, start: 300, pids: [20, 9, 1], net: 'net:[3]' });
    expect(find()).toMatchObject({ pid: 60 });
  });

  it('leaves out the monitor, zombies and what is in the network of the node', () => {
    addProcess(10, { cgroup: inScope('crio-conmon'), start: 1, net: 'net:[2]' });
    addProcess(11, { cgroup: inScope('crio'), start: 2 });
    addProcess(12, { cgroup: inScope('crio'), start: 3, net: 'net:[2]', state: 'Z' });
    addProcess(13, { cgroup: inScope('crio'), start: 4, net: 'net:[2]' });
    expect(find()).toMatchObject({ pid: 13 });
  });

  it('a container in the network of the node is refused unless that is said', () => {
    addProcess(11, { cgroup: inScope('crio'), pids: [11, 1] });
    expect(() => find()).toThrow(expect.objectContaining({ code: 'TARGET_IN_NODE_NETWORK' }));
    expect(find({ hostNetwork: true })).toMatchObject({ pid: 11 });
    expect(find({ ephemeral: true })).toMatchObject({ pid: 11 });
  });

  it('inside the pod it is the first process, where no cgroup names it, unless that belongs to the whole pod', () => {
    expect(find({ ephemeral: true })).toMatchObject({ pid: 1 });
    expect(find({ ephemeral: true, sharedProcesses: true })).toBe(undefined);
    addProcess(11, { cgroup: inScope('cri-containerd'), start: 50, pids: [11] });
    expect(find({ ephemeral: true })).toMatchObject({ pid: 11 });
    expect(find({ ephemeral: true, sharedProcesses: true })).toMatchObject({ pid: 11 });
  });

  it('without a readable process 1 it warns and does not compare', () => {
    rmSync(join(proc, '1'), { recursive: true });
    addProcess(11, { cgroup: inScope('crio'), pids: [11, 1] });
    expect(find()).toMatchObject({ pid: 11 });
    expect(lines.join('')).toContain('not compared with the node');
  });

  it('watchTarget takes a successor in the same network, not one elsewhere, and then waits for its end', async () => {
    addProcess(11, { cgroup: inScope('crio'), pids: [11, 1], net: 'net:[2]' });
    const told: (number | string)[] = [];
    const stop = watchTarget({
      containerId: ID,
      target: find()!,
      intervalMs: 10,
      successorMs: 2000,
      procPath: proc,
      onSuccessor: ({ pid }) => told.push(pid),
      onGone: () => told.push('gone'),
    });
    rmSync(join(proc, '11'), { recursive: true });
    addProcess(12, { cgroup: inScope('crio'), pids: [12, 1], start: 200, net: 'net:[3]' });
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(told).toEqual([]);
    rmSync(join(proc, '12'), { recursive: true });
    addProcess(13, { cgroup: inScope('crio'), pids: [13, 1], start: 300, net: 'net:[2]' });
    await until('the successor', () => told.length > 0);
    expect(told).toEqual([13]);
    rmSync(join(proc, '13'), { recursive: true });
    await until('the end', () => told.length > 1);
    expect(told).toEqual([13, 'gone']);
    stop();
  });

  it('nothing is undefined', () => {
    expect(find()).toBe(undefined);
  });
});

it('waitForTarget gives up after its time and says what to check', async () => {
  const log = createLog({ level: 'error', json: false, part: 'test', write: () => {} });
  const request = { containerId: ID, ...NONE };
  const started = performance.now();
  const error = await rejection(waitForTarget(request, log, 150));
  expect(error).toMatchObject({ code: 'TARGET_CONTAINER_NOT_FOUND', hint: expect.stringContaining('hostPID') });
  expect(performance.now() - started).toBeGreaterThanOrEqual(150);
});

it('watchTarget tells the end of a process once, after the time for a successor', async () => {
  const { spawn } = await import('node:child_process');
  const child = spawn('sleep', ['30']);
  const target = readProcess(child.pid!)!;
  const told: number[] = [];
  const stop = watchTarget({
    containerId: ID,
    target,
    intervalMs: 10,
    successorMs: 200,
    onSuccessor: () => expect.unreachable(),
    onGone: () => told.push(performance.now()),
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(told).toEqual([]);
  const killedAt = performance.now();
  child.kill('SIGKILL');
  await until('the end to be told', () => told.length > 0);
  expect(told[0]! - killedAt).toBeGreaterThanOrEqual(200);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(told).toHaveLength(1);
  stop();
});
