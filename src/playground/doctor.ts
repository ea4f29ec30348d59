import { readFileSync } from 'node:fs';
import { installLine } from './install-hint';
import { findTool } from './tools';
import { hasIdRange, tryUnshare, userNamespaceArguments } from './user-namespace';

export interface Check {
  name: string;
  ok: boolean;
  detail: string;
  /** What mends it: a line to paste, or a sentence. */
  remedy?: string;
}

export interface Diagnosis {
  /** Whether the playground can start. */
  ok: boolean;
  checks: Check[];
}

const NEEDED = [
  'unshare',
  'nsenter',
  'setpriv',
  'mount',
  'umount',
  'pivot_root',
  'ip',
  'nft',
  'hostname',
  'env',
  'mkfifo',
];

/** Reads a kernel setting; undefined where the kernel does not have it. */
function setting(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Tries what the playground does, step by step, and says how to mend what fails. Changes nothing. Never rejects. */
export async function diagnosePlayground(): Promise<Diagnosis> {
  if (process.platform !== 'linux') {
    const remedy = 'Run it in a Linux virtual machine (Lima, WSL 2), or use kind or minikube instead.';
    const detail = `${process.platform} has no namespaces`;
    return { ok: false, checks: [{ name: 'Linux', ok: false, detail, remedy }] };
  }
  const checks = [checkTools()];
  const root = process.getuid!() === 0;
  if (!root) checks.push(await checkUserNamespace());
  const prefix = root ? [] : userNamespaceArguments('single');
  if (checks.every((check) => check.ok)) checks.push(...(await checkSteps(prefix, root)));
  const ok = checks.every((check) => check.ok);
  return { ok, checks: [...checks, checkIdRange(root), checkTerminal()] };
}

function checkTools(): Check {
  const missing = NEEDED.filter((tool) => !findTool(tool));
  if (missing.length === 0) return { name: 'programs', ok: true, detail: NEEDED.join(', ') };
  return { name: 'programs', ok: false, detail: `missing: ${missing.join(', ')}`, remedy: installLine(missing) };
}

async function checkUserNamespace(): Promise<Check> {
  const name = 'user namespaces';
  const problem = await tryUnshare([...userNamespaceArguments('single'), 'true']);
  if (!problem) return { name, ok: true, detail: 'allowed for this user' };
  return { name, ok: false, detail: problem, remedy: namespaceRemedy() };
}

/** Distributions forbid unprivileged namespaces in three different places. */
function namespaceRemedy(): string {
  if (setting('kernel.unprivileged_userns_clone') === '0') return 'sudo sysctl -w kernel.unprivileged_userns_clone=1';
  if (setting('user.max_user_namespaces') === '0') return 'sudo sysctl -w user.max_user_namespaces=15000';
  if (setting('kernel.apparmor_restrict_unprivileged_userns') === '1') {
    return 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0';
  }
  return 'Start the playground as root (sudo), or in a container with --privileged: this environment forbids namespaces.';
}

const STEPS: { name: string; needs: string; script: string }[] = [
  { name: 'processes', needs: 'a fresh /proc', script: 'mount -t proc proc /proc' },
  {
    name: 'mounts',
    needs: 'a tmpfs and a bind mount',
    script: 'mount -t tmpfs t /mnt && mkdir /mnt/usr && mount --rbind /usr /mnt/usr',
  },
  {
    name: 'devices',
    needs: 'a terminal device of its own',
    script: 'mount -t tmpfs t /mnt && mount -t devpts d /mnt -o newinstance',
  },
  { name: 'network', needs: 'a pair of network cards', script: 'ip link add veth0 type veth peer name veth1' },
  {
    name: 'services',
    needs: 'an nftables NAT chain',
    script: 'nft "add table ip t; add chain ip t c { type nat hook output priority -100; }"',
  },
  {
    name: 'forwarding',
    needs: 'its own kernel network settings',
    script: 'mount -t proc proc /proc && echo 1 > /proc/sys/net/ipv4/ip_forward',
  },
];

function checkSteps(prefix: string[], root: boolean): Promise<Check[]> {
  const namespaces = [...prefix, '--net', '--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child'];
  return Promise.all(
    STEPS.map(async ({ name, needs, script }) => {
      const problem = await tryUnshare([...namespaces, '/bin/sh', '-c', `PATH=$PATH:/usr/sbin:/sbin; ${script}`]);
      if (!problem) return { name, ok: true, detail: needs };
      return { name, ok: false, detail: `${needs}: ${problem}`, remedy: stepRemedy(name, root) };
    }),
  );
}

function stepRemedy(step: string, root: boolean): string {
  if (step === 'services') return 'sudo modprobe nf_tables nft_chain_nat';
  if (step === 'network') return 'sudo modprobe veth';
  if (!root && setting('kernel.apparmor_restrict_unprivileged_userns') === '1') {
    return 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0';
  }
  return root
    ? 'Run the container or CI job that this is in with --privileged.'
    : 'Start the playground as root (sudo); inside a container, run that with --privileged.';
}

/** Not needed to start: without it, pods cannot set `runAsUser`. */
function checkIdRange(root: boolean): Check {
  const name = 'user ids (optional)';
  if (root || hasIdRange()) return { name, ok: true, detail: 'runAsUser and runAsGroup work' };
  const user = process.env.USER ?? '$USER';
  const range = `echo ${user}:100000:65536 | sudo tee -a /etc/subuid /etc/subgid`;
  const remedy = findTool('newuidmap') ? range : `${installLine(['newuidmap'])} && ${range}`;
  return { name, ok: true, detail: 'only user id 0 exists in pods; runAsUser is refused', remedy };
}

function checkTerminal(): Check {
  const name = 'terminals (optional)';
  if (findTool('script')) return { name, ok: true, detail: 'exec -t works' };
  return { name, ok: true, detail: 'exec -t gives no terminal', remedy: installLine(['script']) };
}
