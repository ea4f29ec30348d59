import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { MirrordError } from '../errors';
import { ipv6Beside, NODE_ADDRESS, POD_GATEWAY, POD_GATEWAY_V6 } from './addresses';
import { requireTool, run } from './tools';

/**
 * Runs in the pod's new namespaces. It tells its process id as the node sees it, waits until the node has put the network card in,
 * configures it, and stays as the process that holds the namespaces.
 */
const SCRIPT = `set -e
read -r pid rest < /proc/self/stat
echo "pid $pid" >&3
read -r go <&3
hostname "$1"
if [ -n "$2" ]; then
"$3" -b - <<END
link set lo up
addr add $2/32 dev eth0
link set eth0 up
route add ${POD_GATEWAY} dev eth0 scope link
route add default via ${POD_GATEWAY}
$5
END
echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
fi
echo ready >&3
exec 3>&-
if [ "$4" = hold ]; then exec sleep 2147483647; fi
exec /bin/sh -c 'while :; do sleep 2147483647 & wait $!; done' pause
`;

export interface SandboxOptions {
  hostname: string;
  /** IPv4, and where pods have it IPv6. */
  addresses: string[];
  hostNetwork: boolean;
  /** One process namespace for all containers of the pod. */
  sharePID: boolean;
}

/** The namespaces that the containers of a pod share: network, host name, IPC and, when asked, processes. */
export class Sandbox {
  readonly pid: number;
  readonly options: SandboxOptions;
  readonly #process: ChildProcess;

  private constructor(pid: number, process: ChildProcess, options: SandboxOptions) {
    this.pid = pid;
    this.#process = process;
    this.options = options;
  }

  /** @throws MirrordError PLAYGROUND_SANDBOX_FAILED */
  static async create(options: SandboxOptions): Promise<Sandbox> {
    const { hostname, hostNetwork, sharePID } = options;
    const [address, second] = options.addresses as [string, string?];
    const namespaces = [...(hostNetwork ? [] : ['--net']), '--uts', '--ipc'];
    if (sharePID) namespaces.push('--pid', '--fork', '--kill-child');
    const hold = sharePID ? 'reap' : 'hold';
    const child = spawn(
      requireTool('unshare'),
      [
        ...namespaces,
        '/bin/sh',
        '-c',
        SCRIPT,
        'sandbox',
        hostname,
        hostNetwork ? '' : address,
        requireTool('ip'),
        hold,
        second ? insideIPv6(second) : '',
      ],
      { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], detached: true },
    );
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const control = child.stdio[3] as Duplex;
    const lines = new LineReader(control);
    try {
      const pid = Number((await lines.next(5_000)).replace('pid ', ''));
      if (!hostNetwork) await plugIn(pid, address, second);
      control.write('go\n');
      const ready = await lines.next(5_000);
      if (ready !== 'ready') throw new Error(ready);
      return new Sandbox(pid, child, options);
    } catch (error) {
      child.kill('SIGKILL');
      throw new MirrordError(
        'PLAYGROUND_SANDBOX_FAILED',
        `The namespaces of pod "${hostname}" could not be made: ${(error as Error).message}. ${stderr.trim()}`,
        { hint: 'Run `mirrord playground doctor` to see what this machine does not allow.', cause: error },
      );
    } finally {
      control.on('error', () => {}).destroy();
    }
  }

  /** Ends the holder; the kernel takes the network card, its route and the namespaces away with it. */
  async remove(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = new Promise<void>((resolve) => this.#process.once('exit', () => resolve()));
    this.#process.kill('SIGKILL');
    await exited;
  }
}

/** A routed pair: the pod has one address and one next hop, and every packet passes the node, where services are resolved. */
async function plugIn(pid: number, address: string, second: string | undefined): Promise<void> {
  const card = `pod${pid}`;
  const input = `link add ${card} type veth peer name eth0 netns ${pid}
link set ${card} up
addr add ${POD_GATEWAY}/32 dev ${card}
route add ${address}/32 dev ${card} src ${NODE_ADDRESS}
${second ? outsideIPv6(card, second) : ''}
`;
  await run('ip', ['-b', '-'], { input });
}

/** Without duplicate address detection: until that ends, a second or more, an address is not used. */
const insideIPv6 = (address: string) => `addr add ${address}/128 dev eth0 nodad
route add default via ${POD_GATEWAY_V6} dev eth0`;

const outsideIPv6 = (card: string, address: string) => `addr add ${POD_GATEWAY_V6}/64 dev ${card} nodad
route add ${address}/128 dev ${card} src ${ipv6Beside(NODE_ADDRESS)}`;

/** Lines of a control pipe, one by one, each wait with a limit. */
export class LineReader {
  readonly #lines: string[] = [];
  #waiting: ((line: string | undefined) => void) | undefined;
  #closed = false;

  constructor(stream: Duplex) {
    const reader = createInterface({ input: stream });
    reader.on('line', (line) => (this.#waiting ? this.#waiting(line) : this.#lines.push(line)));
    reader.on('close', () => {
      this.#closed = true;
      this.#waiting?.(undefined);
    });
    stream.on('error', () => reader.close());
  }

  /** The next line. Rejects after `limit` milliseconds or when the other side closed. */
  async next(limit: number): Promise<string> {
    const line = await this.nextOrEnd(limit);
    if (line === undefined) throw new Error('it ended early');
    return line;
  }

  /** As `next`, but the end of the pipe is an answer: undefined. */
  nextOrEnd(limit: number): Promise<string | undefined> {
    if (this.#lines.length > 0) return Promise.resolve(this.#lines.shift()!);
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = undefined;
        reject(new Error(`no answer within ${limit} ms`));
      }, limit);
      this.#waiting = (line) => {
        clearTimeout(timer);
        this.#waiting = undefined;
        resolve(line);
      };
    });
  }
}
