/** What a container runtime grants when nothing is said (containerd's default set), in setpriv's spelling. */
export const DEFAULT_CAPABILITIES = [
  'chown',
  'dac_override',
  'fsetid',
  'fowner',
  'mknod',
  'net_raw',
  'setgid',
  'setuid',
  'setfcap',
  'setpcap',
  'net_bind_service',
  'sys_chroot',
  'kill',
  'audit_write',
];

export interface SecurityContext {
  privileged?: boolean;
  allowPrivilegeEscalation?: boolean;
  readOnlyRootFilesystem?: boolean;
  runAsUser?: number;
  runAsGroup?: number;
  runAsNonRoot?: boolean;
  fsGroup?: number;
  supplementalGroups?: number[];
  capabilities?: { add?: string[]; drop?: string[] };
}

/** The container's context over the pod's, field by field. */
export function mergeSecurityContext(pod: SecurityContext = {}, container: SecurityContext = {}): SecurityContext {
  return { ...pod, ...container };
}

const normalise = (name: string) => name.toLowerCase().replace(/^cap_/, '');

/** The capabilities a container ends up with; undefined stands for all. */
export function effectiveCapabilities(context: SecurityContext): string[] | undefined {
  if (context.privileged) return undefined;
  const add = (context.capabilities?.add ?? []).map(normalise);
  const drop = (context.capabilities?.drop ?? []).map(normalise);
  if (add.includes('all') && drop.length === 0) return undefined;
  const base = drop.includes('all') ? [] : DEFAULT_CAPABILITIES.filter((name) => !drop.includes(name));
  return [...new Set([...base, ...add.filter((name) => name !== 'all')])];
}

/**
 * Arguments for setpriv. The bounding set decides alone: for uid 0 an exec grants exactly the bounding set, for other users the
 * change of uid clears everything, as a container runtime does.
 * @param mayDropGroups false where the user namespace forbids setgroups (rootless without a range of mapped ids)
 */
export function setprivArguments(context: SecurityContext, mayDropGroups: boolean): string[] {
  const args: string[] = [];
  const capabilities = effectiveCapabilities(context);
  if (capabilities) args.push(`--bounding-set=${['-all', ...capabilities.map((name) => `+${name}`)].join(',')}`);
  const user = context.runAsUser ?? 0;
  const group = context.runAsGroup ?? 0;
  const groups = [...(context.supplementalGroups ?? []), ...(context.fsGroup === undefined ? [] : [context.fsGroup])];
  if (user !== 0 || group !== 0 || groups.length > 0) {
    args.push(`--reuid=${user}`, `--regid=${group}`);
    if (!mayDropGroups) args.push('--keep-groups');
    else args.push(groups.length > 0 ? `--groups=${groups.join(',')}` : '--clear-groups');
  }
  if (context.allowPrivilegeEscalation === false && !context.privileged) args.push('--no-new-privs');
  return args;
}
