import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { STATE_FOLDER } from './addresses';
import { run } from './tools';

/** The line of /proc/PID/cgroup on a node with containerd and the systemd driver. */
export function cgroupLine(containerId: string, podUid: string, qosClass: string): string {
  const uid = podUid.replaceAll('-', '_');
  const qos = qosClass.toLowerCase();
  const slices =
    qos === 'guaranteed'
      ? `kubepods.slice/kubepods-pod${uid}.slice`
      : `kubepods.slice/kubepods-${qos}.slice/kubepods-${qos}-pod${uid}.slice`;
  return `0::/${slices}/cri-containerd-${containerId}.scope\n`;
}

/**
 * Makes a process show its container id, as on a real node, without touching the machine's cgroups: the file is mounted over
 * /proc/PID/cgroup of the node's own /proc and goes away with the process.
 */
export async function markProcess(pid: number, containerId: string, podUid: string, qosClass: string): Promise<void> {
  const file = join(STATE_FOLDER, 'cgroups', containerId);
  mkdirSync(join(STATE_FOLDER, 'cgroups'), { recursive: true });
  writeFileSync(file, cgroupLine(containerId, podUid, qosClass));
  await run('mount', ['--bind', file, `/proc/${pid}/cgroup`]);
}
