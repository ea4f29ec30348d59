/**
 * Whether a line of `/proc/PID/cgroup` (`hierarchy:controllers:path`) puts the process into the container.
 *
 * Runtimes write the id as a path segment of its own (`/kubepods/pod…/ID`), in a scope (`cri-containerd-ID.scope`,
 * `crio-ID.scope`, `docker-ID.scope`) or behind colons (`kubepods-pod….slice:cri-containerd:ID`); seen from a cgroup
 * namespace of its own the path starts with `/../`. So only the id counts, as a whole token, wherever it stands. CRI-O's
 * and Podman's monitor has the same id in a scope of its own: `crio-conmon-ID.scope`.
 */
export function namesContainer(cgroup: string, containerId: string): boolean {
  return cgroup.split('\n').some((line) => {
    const path = line.slice(line.indexOf(':', line.indexOf(':') + 1) + 1);
    return path.split('/').some((segment) => isContainer(segment, containerId));
  });
}

function isContainer(segment: string, containerId: string): boolean {
  const name = segment.endsWith('.scope') ? segment.slice(0, -'.scope'.length) : segment;
  if (!name.endsWith(containerId) || name.includes('conmon')) return false;
  const before = name.at(-containerId.length - 1);
  return before === undefined || before === '-' || before === ':';
}
