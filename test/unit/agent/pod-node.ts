import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';

/**
 * A node with one pod, made of namespaces: the node has a process namespace of its own, the pod a network, a hostname,
 * mounts and processes of its own. The container id stands in /proc/PID/cgroup as a real node shows it.
 */
export interface PodNode {
  containerId: string;
  /** Process ids as the test sees them. */
  nodePid: number;
  targetPid: number;
  folder: string;
  agentBundle: string;
  startAgent(args: string[], env?: Record<string, string>): Agent;
  close(): void;
}

export interface Agent {
  process: ChildProcess;
  /** As the test sees it: of the supervisor. */
  pid(): number;
  stdout(): string;
  stderr(): string;
  /** Exit code, or null after a signal. */
  exited: Promise<number | null>;
  /** Resolves with the port when the agent has said that it is ready. */
  ready(): Promise<number>;
}

export const TOKEN = randomBytes(32).toString('hex');

/** Why these tests cannot run here; undefined when they can. */
export function whyNot(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'namespaces need Linux and root';
  try {
    execFileSync('unshare', ['--mount', '--pid', '--net', '--uts', '--fork', 'mount', '-t', 'proc', 'proc', '/proc'], {
      stdio: 'pipe',
    });
    return undefined;
  } catch (error) {
    return `unshare does not work here: ${(error as Error).message}`;
  }
}

const children = (pid: number): number[] => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
};

/** Looks every 5 ms; fails after `ms` with what was waited for. */
export async function until<T>(what: string, probe: () => T | undefined | false, ms = 10_000): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const value = probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const POD_SCRIPT = `
mount -t proc proc /proc
mount --bind "$FOLDER/pod-resolv.conf" /etc/resolv.conf
mount --bind "$FOLDER/pod-hosts" /etc/hosts
mount -t tmpfs tmpfs /srv
mkdir /srv/app; echo -n "file of the pod" > /srv/app/config.txt; ln -s /etc/hosts /srv/app/hosts-link
hostname the-pod; ip link set lo up
ip link add eth0 type veth peer name eth1; ip addr add 10.99.0.2/24 dev eth0; ip link set eth0 up; ip link set eth1 up
ip route add default via 10.99.0.1
exec env -i GREETING="hello pod" EMPTY= SECRET_KEY=s3cr3t PATH="$PATH" "$NODE" "$APP"`;

const NODE_SCRIPT = `
mount --make-rprivate /; mount -t proc proc /proc
unshare --net --uts --mount --pid --fork --kill-child sh -ec "$POD_SCRIPT" &
for i in $(seq 500); do pid=$(cat /proc/$!/task/$!/children); [ -n "$pid" ] && break; sleep 0.01; done
mount --bind "$FOLDER/cgroup" /proc/\${pid% }/cgroup
echo "marked"; sleep 1000`;

export async function startPodNode(): Promise<PodNode> {
  const folder = mkdtempSync(join(tmpdir(), 'mirrord-node-'));
  const containerId = randomBytes(32).toString('hex');
  const scope = `kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-${containerId}.scope`;
  const files = {
    cgroup: `0::/${scope}\n`,
    'pod-resolv.conf': 'search shop.svc.cluster.local\nnameserver 127.0.0.1\noptions ndots:2 timeout:1 attempts:1\n',
    'pod-hosts': '127.0.0.1 localhost\n10.1.2.3 alias-of-the-pod\n',
    'agent-resolv.conf': 'nameserver 192.0.2.1\n',
    'agent-hosts': '127.0.0.1 localhost\n10.9.9.9 the-agent-and-much-more-text-so-that-the-copy-is-shorter\n',
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const agentBundle = join(folder, 'agent.cjs');
  buildSync({
    entryPoints: ['src/agent/main.ts'],
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'cjs',
    external: ['cbor-extract'],
    outfile: agentBundle,
  });
  const app = join(import.meta.dirname, 'target-app.cjs');
  const child = spawn('unshare', ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-ec', NODE_SCRIPT], {
    env: {
      ...process.env,
      PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
      FOLDER: folder,
      NODE: process.execPath,
      APP: app,
      POD_SCRIPT,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  child.stderr.on('data', (chunk) => (said += chunk));
  const nodePid = await until('the node', () => children(child.pid!)[0]);
  await until('the marked container', () => {
    if (child.exitCode !== null) throw new Error(`the node did not start: ${said}`);
    return said.includes('marked');
  });
  await until(`the app of the target; it said: ${said}`, () => said.includes('target serves'));
  const targetPid = children(children(nodePid)[0]!)[0]!;
  return {
    containerId,
    nodePid,
    targetPid,
    folder,
    agentBundle,
    startAgent: (args, env = {}) => startAgent({ nodePid, folder, agentBundle }, args, env),
    close() {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const AGENT_SCRIPT = `mount --bind "$FOLDER/agent-resolv.conf" /etc/resolv.conf
mount --bind "$FOLDER/agent-hosts" /etc/hosts
if [ -n "$NO_TOOLS" ]; then
  touch "$FOLDER/node"; mount --bind "$NODE" "$FOLDER/node"; NODE="$FOLDER/node"
  cp "$(command -v mount)" "$FOLDER/mount"; mkdir -p "$FOLDER/empty"
  for d in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do "$FOLDER/mount" --bind "$FOLDER/empty" $d; done
fi
exec \${GROUP:+setpriv --regid "$GROUP" --clear-groups} "$NODE" "$AGENT" "$@"`;

function startAgent(
  { nodePid, folder, agentBundle }: Pick<PodNode, 'nodePid' | 'folder' | 'agentBundle'>,
  args: string[],
  env: Record<string, string>,
): Agent {
  const shell = ['unshare', '--mount', 'sh', '-ec', AGENT_SCRIPT, 'agent', ...args];
  const child = spawn('nsenter', ['--target', String(nodePid), '--pid', '--mount', '--', ...shell], {
    env: {
      PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
      FOLDER: folder,
      NODE: process.execPath,
      AGENT: agentBundle,
      MIRRORD_AGENT_TOKEN: TOKEN,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    process: child,
    pid: () => children(child.pid!)[0]!,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    async ready() {
      await until(`the agent to be ready`, () => {
        if (child.exitCode !== null) throw new Error(`the agent ended with ${child.exitCode}: ${stderr}`);
        return stdout.includes('agent ready');
      });
      return Number(/listening on 127\.0\.0\.1:(\d+)/.exec(stderr)?.[1]);
    },
  };
}
