import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mergeSecurityContext, type SecurityContext } from './capabilities';
import type { ContainerSpec } from './container';
import { buildEnvironment, ContainerConfigError } from './environment';
import { expand } from './expand';
import { isMapped } from './id-map';
import { commandOf, type Image } from './images';
import { hostnameOf } from './pod-files';
import type { PodHost } from './pod-host';
import type { Mount } from './rootfs';

/** A user id that does not exist in this user namespace. */
export class UnusableIdError extends Error {}

/** Turns a container of a manifest into what the runtime runs. @throws ContainerConfigError, UnusableIdError */
export function describeContainer(host: PodHost, container: any, image: Image): ContainerSpec {
  const pod = host.pod();
  const env = buildEnvironment({
    store: host.store,
    pod,
    container,
    imageEnv: image.env,
    hostname: pod.spec.hostNetwork ? 'playground' : hostnameOf(pod),
    capacity: host.capacity,
  });
  const command = commandOf(image, container).map((word) => expand(word, env));
  if (command.length === 0) throw new ContainerConfigError('no command specified');
  const security = usableIds(host, mergeSecurityContext(pod.spec.securityContext, container.securityContext));
  const mounts = [
    ...host.podMounts(),
    ...(container.volumeMounts ?? []).map((mount: any) => toMount(host, mount, env)),
  ];
  const byTarget = new Map<string, Mount>(mounts.map((mount) => [mount.target, mount]));
  const targetPid = container.targetContainerName ? host.pidOf(container.targetContainerName) : undefined;
  if (container.targetContainerName && targetPid === undefined) {
    throw new Error(`unable to find target container "${container.targetContainerName}"`);
  }
  return {
    podUid: pod.metadata.uid,
    name: container.name,
    qosClass: pod.status?.qosClass ?? 'BestEffort',
    image,
    command,
    env,
    workingDir: container.workingDir ?? image.workingDir,
    mounts: [...byTarget.values()],
    security,
    hostPID: pod.spec.hostPID === true,
    stdin: container.stdin === true,
    terminationMessagePath: container.terminationMessagePath ?? '/dev/termination-log',
    targetPid,
  };
}

/**
 * A user id that does not exist here is an error: the program would run with other rights than its manifest says. A group id is not, or no
 * agent could run in a playground with one mapped id: it asks for a group only to tell its own packets from others', and has another way.
 */
function usableIds(host: PodHost, security: SecurityContext): SecurityContext {
  const { runAsUser, runAsGroup } = security;
  if (security.runAsNonRoot && (runAsUser ?? 0) === 0) {
    throw new ContainerConfigError('container has runAsNonRoot and image will run as root');
  }
  if (runAsUser !== undefined && !isMapped('user', runAsUser))
    throw new UnusableIdError(`runAsUser ${runAsUser} ${UNMAPPED}`);
  if (runAsGroup === undefined || isMapped('group', runAsGroup)) return security;
  host.event('Warning', 'GroupNotMapped', `runAsGroup ${runAsGroup} is left out: it ${UNMAPPED}`);
  return { ...security, runAsGroup: undefined };
}

const UNMAPPED =
  'does not exist in a rootless playground with one mapped id; install the package "uidmap" and give your user a range in /etc/subuid and /etc/subgid, or start the playground as root';

function toMount(host: PodHost, mount: any, env: Record<string, string>): Mount {
  const volume = host.volumes.get(mount.name);
  if (!volume) throw new ContainerConfigError(`cannot find volume "${mount.name}" to mount into container`);
  const subPath = mount.subPathExpr ? expand(mount.subPathExpr, env) : (mount.subPath ?? '');
  if (subPath.split('/').includes('..')) throw new ContainerConfigError(`subPath "${subPath}" must not contain ".."`);
  const source = join(volume.source, subPath);
  if (subPath && !existsSync(source)) {
    if (volume.readOnly) writeFileSync(source, '');
    else mkdirSync(source, { recursive: true });
  }
  const target = `/${mount.mountPath}`.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
  return { source, target, readOnly: volume.readOnly || mount.readOnly === true };
}
