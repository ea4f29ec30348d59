import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../../src/agent/log';
import { findTarget } from '../../../src/agent/target/find-target';

/** Container ids of one pod: the app, its earlier run, a sidecar, the pause container, an init container, a debugger. */
const APP = 'a1'.repeat(32);
const BEFORE = 'b2'.repeat(32);
const SIDECAR = 'c3'.repeat(32);
const PAUSE = 'd4'.repeat(32);
const INIT = 'e5'.repeat(32);
const DEBUGGER = 'f6'.repeat(32);
const NODE = '07'.repeat(32);
const UID = '0a1b2c3d-0000-4444-8888-123456789abc';
const SLICE_UID = UID.replaceAll('-', '_');

interface Process {
  pid: number;
  cgroup: string;
  /** Clock ticks. */
  start: number;
  /** `NSpid:` as seen from the node; its own id alone by default. */
  ids?: number[];
  /** Number of its network namespace; 1 = the node's. */
  net?: number;
  state?: string;
}

const v2 = (path: string) => `0::${path}\n`;
/** All hierarchies of a node with cgroup v1, as its init's file lists them. */
const v1 = (path: string) =>
  ['12:pids', '9:devices', '6:cpu,cpuacct', '4:memory', '2:net_cls,net_prio', '1:name=systemd']
    .map((controllers) => `${controllers}:${path}\n`)
    .join('')
    .concat('0::/\n');
const systemd = (scope: string, before = '') =>
  `${before}/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${SLICE_UID}.slice/${scope}`;
const cgroupfs = (name: string, before = '') => `${before}/kubepods/besteffort/pod${UID}/${name}`;

const nodeInit = (cgroup: string): Process => ({ pid: 1, cgroup, start: 1 });

/** The same pod on a node of each kind: `write` gives a container's cgroup file. The app's main process is 900. */
function pod(write: (id: string) => string, more: Process[] = []): Process[] {
  return [
    nodeInit(v2('/init.scope')),
    { pid: 120, cgroup: v2('/system.slice/kubelet.service'), start: 50 },
    { pid: 130, cgroup: v2('/system.slice/containerd.service'), start: 51 },
    { pid: 700, cgroup: write(PAUSE), start: 200, ids: [700, 1], net: 7 },
    { pid: 800, cgroup: write(SIDECAR), start: 260, ids: [800, 1], net: 7 },
    // Node counts ids from the beginning again once they are used up: the main process has not the lowest.
    { pid: 900, cgroup: write(APP), start: 300, ids: [900, 1], net: 7 },
    { pid: 310, cgroup: write(APP), start: 340, ids: [310, 18], net: 7 },
    { pid: 320, cgroup: write(APP), start: 350, ids: [320, 25], net: 7, state: 'Z' },
    // Somebody has run a command in it.
    { pid: 330, cgroup: write(APP), start: 400, ids: [330, 31], net: 7 },
    ...more,
  ];
}

const conmon = (cgroup: string): Process[] => [
  { pid: 690, cgroup, start: 290, net: 1 },
  // In a node that is a container itself, the monitor need not be in the network of process 1.
  { pid: 691, cgroup, start: 291, net: 3 },
];
const kind = `/system.slice/docker-${NODE}.scope`;

const trees: [string, Process[]][] = [
  ['containerd, cgroup v2, systemd driver', pod((id) => v2(systemd(`cri-containerd-${id}.scope`)))],
  ['containerd, cgroup v2, cgroupfs driver (k3s)', pod((id) => v2(cgroupfs(id)))],
  ['containerd, cgroup v1, cgroupfs driver', pod((id) => v1(cgroupfs(id)))],
  ['containerd, cgroup v1, systemd driver', pod((id) => v1(systemd(`cri-containerd-${id}.scope`)))],
  [
    'containerd, which takes the systemd form for a path',
    pod((id) => v2(`/system.slice/containerd.service/kubepods-burstable-pod${SLICE_UID}.slice:cri-containerd:${id}`)),
  ],
  [
    'containerd, seen from a cgroup namespace of one’s own',
    pod((id) => v2(`/../../kubepods-burstable-pod${SLICE_UID}.slice/cri-containerd-${id}.scope`)),
  ],
  ['containerd, cgroupfs, seen from a cgroup namespace of one’s own', pod((id) => v1(`/../../pod${UID}/${id}`))],
  [
    'CRI-O, cgroup v2, runc, with its monitors in scopes of their own',
    pod((id) => v2(systemd(`crio-${id}.scope`)), conmon(v2(systemd(`crio-conmon-${APP}.scope`)))),
  ],
  [
    'CRI-O, cgroup v2, crun, which makes a cgroup within',
    pod((id) => v2(systemd(`crio-${id}.scope/container`)), conmon(v2(`/system.slice/crio-conmon-${APP}.scope`))),
  ],
  [
    'CRI-O, cgroup v1, systemd driver (OpenShift)',
    pod((id) => v1(systemd(`crio-${id}.scope`)), conmon(v1(systemd(`crio-conmon-${APP}.scope`)))),
  ],
  [
    'CRI-O, cgroup v1, cgroupfs driver',
    pod((id) => v1(cgroupfs(`crio-${id}`)), conmon(v1(cgroupfs(`crio-conmon-${APP}`)))),
  ],
  ['docker, cgroup v2, systemd driver', pod((id) => v2(systemd(`docker-${id}.scope`)))],
  ['docker, cgroup v1, cgroupfs driver', pod((id) => v1(cgroupfs(id)))],
  [
    'kind, cgroup v2: the node is a container of docker',
    pod((id) => v2(`${kind}/kubelet.slice/kubelet-${systemd(`cri-containerd-${id}.scope`).slice(1)}`)),
  ],
  ['kind, cgroup v1', pod((id) => v1(cgroupfs(id, `/docker/${NODE}/kubelet`)))],
  [
    'kind, seen from the cgroup namespace of its node',
    pod((id) =>
      v2(`/../kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${SLICE_UID}.slice/cri-containerd-${id}.scope`),
    ),
  ],
  [
    'a pod of the class Guaranteed',
    pod((id) => v2(`/kubepods.slice/kubepods-pod${SLICE_UID}.slice/cri-containerd-${id}.scope`)),
  ],
  [
    'a container that runs systemd',
    pod(
      (id) => v2(systemd(`cri-containerd-${id}.scope${id === APP ? '/init.scope' : ''}`)),
      [
        {
          pid: 905,
          cgroup: v2(systemd(`cri-containerd-${APP}.scope/system.slice/app.service`)),
          start: 360,
          ids: [905, 40],
          net: 7,
        },
      ],
    ),
  ],
  [
    'a container that runs containers',
    pod(
      (id) => v2(systemd(`cri-containerd-${id}.scope`)),
      [
        {
          pid: 210,
          cgroup: v2(systemd(`cri-containerd-${APP}.scope/docker/${NODE}`)),
          start: 500,
          ids: [210, 77, 1],
          net: 9,
        },
      ],
    ),
  ],
  [
    'a pod with an init container that goes on, and a debugger',
    pod(
      (id) => v2(systemd(`cri-containerd-${id}.scope`)),
      [
        { pid: 790, cgroup: v2(systemd(`cri-containerd-${INIT}.scope`)), start: 250, ids: [790, 1], net: 7 },
        { pid: 200, cgroup: v2(systemd(`cri-containerd-${DEBUGGER}.scope`)), start: 600, ids: [200, 1], net: 7 },
      ],
    ),
  ],
];

let proc: string;
const log = createLog({ level: 'error', json: false, part: 'test', write: () => {} });

function plant(processes: Process[]): void {
  for (const { pid, cgroup, start, ids = [pid], net = 1, state = 'S' } of processes) {
    const folder = join(proc, String(pid));
    mkdirSync(join(folder, 'ns'), { recursive: true });
    writeFileSync(join(folder, 'cgroup'), cgroup);
    // The name of a command may hold anything.
    const fields = [state, ...Array(18).fill(0), start].join(' ');
    writeFileSync(join(folder, 'stat'), `${pid} (node (app) ${pid}) ${fields} 0`);
    writeFileSync(join(folder, 'status'), `Name:\tnode\nNSpid:\t${ids.join('\t')}\n`);
    symlinkSync(`net:[${net}]`, join(folder, 'ns', 'net'));
  }
}
const find = (containerId: string, more: object = {}) =>
  findTarget({ containerId, hostNetwork: false, ephemeral: false, sharedProcesses: false, ...more }, log, proc);

beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'mirrord-proc-'));
});
afterEach(() => rmSync(proc, { recursive: true }));

describe.each(trees)('%s', (_, processes) => {
  it('has exactly one main process for each container, and none for one that is gone', () => {
    plant(processes);
    expect(find(APP)).toMatchObject({ pid: 900, startTime: 300, innerPid: 1 });
    expect(find(SIDECAR)).toMatchObject({ pid: 800 });
    expect(find(PAUSE)).toMatchObject({ pid: 700 });
    expect(find(BEFORE)).toBe(undefined);
    // Neither the whole of a shorter id nor the node itself is meant.
    expect(find(APP.slice(0, 12))).toBe(undefined);
  });
});

describe('on any node', () => {
  const write = (id: string) => v2(systemd(`cri-containerd-${id}.scope`));

  it('a restarted container is found by its new id, while its last run still dies', () => {
    const dying = { pid: 850, cgroup: write(BEFORE), start: 280, ids: [850, 1], net: 7, state: 'Z' };
    plant(pod(write, [dying]));
    expect(find(APP)).toMatchObject({ pid: 900 });
    expect(find(BEFORE)).toBe(undefined);
  });

  it('containers that share their processes are told apart, though only the pause container has a first process', () => {
    plant([
      nodeInit(v2('/init.scope')),
      { pid: 700, cgroup: write(PAUSE), start: 200, ids: [700, 1], net: 7 },
      { pid: 800, cgroup: write(SIDECAR), start: 260, ids: [800, 7], net: 7 },
      { pid: 900, cgroup: write(APP), start: 300, ids: [900, 13], net: 7 },
      { pid: 310, cgroup: write(APP), start: 340, ids: [310, 18], net: 7 },
    ]);
    expect(find(APP)).toMatchObject({ pid: 900, innerPid: 13 });
    expect(find(SIDECAR)).toMatchObject({ pid: 800, innerPid: 7 });
  });

  it('a pod in the network of its node is refused, and found when that is said', () => {
    plant(pod(write).map((one) => ({ ...one, net: 1 })));
    expect(() => find(APP)).toThrow(expect.objectContaining({ code: 'TARGET_IN_NODE_NETWORK' }));
    expect(find(APP, { hostNetwork: true })).toMatchObject({ pid: 900 });
  });

  it('a sandbox with a kernel of its own shows no process of the container', () => {
    plant([nodeInit(v2('/init.scope')), { pid: 700, cgroup: write(PAUSE), start: 200, ids: [700, 1], net: 7 }]);
    expect(find(APP)).toBe(undefined);
  });
});
