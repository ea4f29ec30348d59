import { readFileSync, readlinkSync } from 'node:fs';

/** Facts that identify a process: an id alone can have been given to another process meanwhile. */
export interface ProcessFacts {
  pid: number;
  /** Clock ticks from boot to its start. */
  startTime: number;
  /** Its id in its own, innermost process namespace. */
  innerPid: number;
  /** How many process namespaces deep it is, seen from here; 1 = ours. */
  depth: number;
}

/** `/proc/PID/stat`: the command name may hold spaces and brackets, so fields are counted from the last bracket. */
export function parseStartTime(stat: string): { state: string; startTime: number } | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const startTime = Number(fields[19]);
  return fields[0] && Number.isSafeInteger(startTime) ? { state: fields[0], startTime } : undefined;
}

/** `NSpid:` of `/proc/PID/status`: ids from our namespace to the innermost. */
export function parseNamespacePids(status: string): number[] {
  const line = /^NSpid:\s+(.+)$/m.exec(status)?.[1];
  return line === undefined ? [] : line.trim().split(/\s+/).map(Number);
}

/** Undefined when the process has ended, zombies included. `procPath` is /proc except in tests. */
export function readProcess(pid: number, procPath = '/proc'): ProcessFacts | undefined {
  try {
    const stat = parseStartTime(readFileSync(`${procPath}/${pid}/stat`, 'latin1'));
    if (!stat || 'ZXx'.includes(stat.state)) return undefined;
    const pids = parseNamespacePids(readFileSync(`${procPath}/${pid}/status`, 'latin1'));
    return { pid, startTime: stat.startTime, innerPid: pids.at(-1) ?? pid, depth: Math.max(pids.length, 1) };
  } catch {
    return undefined;
  }
}

/** `net:[4026531840]`; undefined when it cannot be read (ended, or not permitted). */
export function networkNamespace(pid: number | 'self', procPath = '/proc'): string | undefined {
  try {
    return readlinkSync(`${procPath}/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}
