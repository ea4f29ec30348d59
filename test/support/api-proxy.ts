import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dump, load } from 'js-yaml';

const program = fileURLToPath(new URL('../../scripts/chaos/proxy-process.mjs', import.meta.url));

export interface Weather {
  delayMs?: number;
  bytesPerSecond?: number;
  /** Connections are accepted and carry nothing. */
  hole?: boolean;
  /** Connections are reset at once; those there are stay. */
  refuse?: boolean;
}

/** A process between clients and the API server, whose path can be cut, held up and stopped. */
export class ApiProxy {
  readonly kubeconfig: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, folder: string, kubeconfig: string) {
    this.#child = child;
    this.#folder = folder;
    this.kubeconfig = kubeconfig;
  }

  /** @param kubeconfig path of the one that leads to the API server */
  static async start(kubeconfig: string): Promise<ApiProxy> {
    const config = load(readFileSync(kubeconfig, 'utf8')) as { clusters: { cluster: { server: string } }[] };
    const { cluster } = config.clusters[0]!;
    const { protocol, hostname, port: serverPort } = new URL(cluster.server);
    const child = fork(program, [hostname, serverPort], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const [{ port }] = await once(child, 'message');
    cluster.server = `${protocol}//127.0.0.1:${port}`;
    const folder = mkdtempSync(join(tmpdir(), 'mirrord-proxy-'));
    const path = join(folder, 'kubeconfig');
    writeFileSync(path, dump(config), { mode: 0o600 });
    return new ApiProxy(child, folder, path);
  }

  /** Cuts all connections: at once, or in the middle of whatever they carry after so many bytes. */
  async cut(afterBytes = 0): Promise<number> {
    const answer = once(this.#child, 'message');
    this.#child.send({ cutAfter: afterBytes });
    return (await answer)[0].cut;
  }

  /** What is not said is fair. */
  set(weather: Weather): void {
    this.#child.send({ weather });
  }

  /** Nobody can be reached: what is there is cut, what comes is refused. */
  async close(): Promise<void> {
    this.set({ refuse: true });
    await this.cut();
  }

  /** From now on connections are accepted by the system and nobody answers. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  stop(): void {
    this.#child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
