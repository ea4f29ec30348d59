import { readdirSync, readFileSync } from 'node:fs';
import { MirrordError } from '../../errors';
import type { TargetRequest } from '../arguments';
import type { Log } from '../log';
import { namesContainer } from './cgroup';
import { networkNamespace, type ProcessFacts, readProcess } from './process-facts';

/** All living processes whose cgroup names the container. */
export function scanProcesses(containerId: string, procPath = '/proc'): ProcessFacts[] {
  const found: ProcessFacts[] = [];
  for (const name of readdirSync(procPath)) {
    if (!/^\d+$/.test(name)) continue;
    let cgroup: string;
    try {
      cgroup = readFileSync(`${procPath}/${name}/cgroup`, 'latin1');
    } catch {
      continue; // It ended between the listing and the read.
    }
    if (!namesContainer(cgroup, containerId)) continue;
    const facts = readProcess(Number(name), procPath);
    if (facts) found.push(facts);
  }
  return found;
}

/**
 * The container's init among its processes: first in a process namespace of its own, else the one that started first
 * (a container may share the pod's process namespace, and containers nested in it have an init each, started later).
 */
export function chooseInit(processes: ProcessFacts[]): ProcessFacts | undefined {
  const inits = processes.filter(({ depth, innerPid }) => depth > 1 && innerPid === 1);
  const candidates = inits.length > 0 ? inits : processes;
  return candidates.reduce<ProcessFacts | undefined>(
    (best, next) =>
      !best || next.startTime < best.startTime || (next.startTime === best.startTime && next.pid < best.pid)
        ? next
        : best,
    undefined,
  );
}

/**
 * One look at the container. Undefined: it has no process now. Throws TARGET_IN_NODE_NETWORK when all it has is in the
 * node's own network, where the agent's work would touch every pod of the node.
 */
export function findTarget(request: TargetRequest, log: Log, procPath = '/proc'): ProcessFacts | undefined {
  const processes = scanProcesses(request.containerId, procPath);
  // In the pod itself, process 1 is the pod's own: there is nothing of the node to confuse it with.
  if (request.ephemeral) return chooseInit(processes) ?? firstProcess(request, procPath);
  if (request.hostNetwork) return chooseInit(processes);
  const node = networkNamespace(1, procPath);
  if (node === undefined) {
    log.warn('the network namespace of process 1 cannot be read, so the target is not compared with the node');
    return chooseInit(processes);
  }
  const inPod = processes.filter(({ pid }) => networkNamespace(pid, procPath) !== node);
  if (inPod.length === 0 && processes.length > 0) {
    throw new MirrordError(
      'TARGET_IN_NODE_NETWORK',
      `container ${request.containerId.slice(0, 12)} runs in the node's own network namespace`,
      { hint: 'If the pod has hostNetwork: true, start the agent with --host-network.' },
    );
  }
  return chooseInit(inPod);
}

/**
 * Inside the pod, the container's processes are ours to see and begin with its init, unless all containers share one
 * namespace: so it is found even where cgroup files do not tell ids, as in sandboxed runtimes. A runtime that gives the agent
 * a namespace of its own has made the agent itself the first process.
 */
function firstProcess({ sharedProcesses }: TargetRequest, procPath: string): ProcessFacts | undefined {
  return sharedProcesses || process.pid === 1 ? undefined : readProcess(1, procPath);
}

/** Looks every 50 ms, as the container may be restarting. Throws TARGET_CONTAINER_NOT_FOUND when the time is over. */
export async function waitForTarget(request: TargetRequest, log: Log, limitMs: number): Promise<ProcessFacts> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const target = findTarget(request, log);
    if (target) return target;
    if (performance.now() >= deadline) {
      throw new MirrordError(
        'TARGET_CONTAINER_NOT_FOUND',
        `no process of container ${request.containerId.slice(0, 12)} was seen on this node for ${limitMs / 1000} s`,
        {
          hint: request.ephemeral
            ? 'The runtime must let an ephemeral container see the processes of the container it is for.'
            : 'The agent needs hostPID and must run on the node of the target pod.',
        },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
