import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import {
  apply,
  configMap,
  createNamespace,
  deployment,
  runInPod,
  service,
  waitForDeployment,
} from '../support/cluster';
import { freePorts } from '../support/free-ports';
import { cli, clusterEnv, preload } from '../support/spawn-app';
import { type Running, startRunning } from './running';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
const app = new URL('./fixtures/incoming-app.cjs', import.meta.url).pathname;

/** The app of a developer: it prints JSON, `"up"` when all its servers listen, and leaves when it is told so. */
export class Developer {
  readonly #running: Running;

  constructor(running: Running) {
    this.#running = running;
  }

  /** JSON values the app has printed so far. */
  get heard(): unknown[] {
    return this.#running.lines;
  }

  get stderr(): string {
    return this.#running.stderr();
  }

  get process(): ChildProcess {
    return this.#running.child;
  }

  async up(): Promise<void> {
    await this.#running.line("the developer's app to listen", (line) => line === 'up', 60_000);
  }

  /** Ends the app in good order; resolves when all it has said was read. */
  async leave(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('close', resolve));
    this.process.stdin!.write('leave\n');
    await ended;
  }
}

/** One of the target's servers each: HTTP/1, HTTP/2 with prior knowledge, and one that is no HTTP. */
export type PortName = 'http' | 'http2' | 'tcp';

export interface IncomingWorld {
  namespace: string;
  ports: Record<PortName, number>;
  targetPod: string;
  callerIP: string;
  /** Asks the target for that many seconds without a pause; see `load.cjs`. */
  load(seconds: number): Promise<{ counts: { developer?: number; pod?: number }; failures: string[] }>;
  /** What a pod beside the target gets, see `incoming-caller.cjs`. */
  call(kind: string, header?: string, host?: string): Promise<any>;
  /** Starts the app of the developer and waits until it listens. */
  develop(variables: Record<string, string>, ports?: PortName[], way?: 'preload' | 'exec'): Promise<Developer>;
  /** Ends all apps, whatever they do. */
  leaveAll(): Promise<void>;
  drop(): Promise<void>;
}

/** A target with servers behind a Service, a pod that calls them, and developers who take its traffic. */
export async function createIncomingWorld(prefix: string): Promise<IncomingWorld> {
  const { name: namespace, drop } = await createNamespace(prefix);
  const base = await freePorts(3);
  const ports = { http: base, http2: base + 1, tcp: base + 2 };
  const env = [{ name: 'BASE', value: String(base) }];
  const volumes = { '/app': { configMap: { name: 'code' } } };
  await apply(
    configMap(namespace, 'code', {
      'target.cjs': fixture('incoming-target.cjs'),
      'caller.cjs': fixture('incoming-caller.cjs'),
      'load.cjs': fixture('load.cjs'),
    }),
    service(namespace, 'target', Object.values(ports)),
    deployment({ name: 'target', namespace, command: ['node', '/app/target.cjs'], port: base, env, volumes }),
    deployment({ name: 'caller', namespace, command: ['node', '-e', 'setInterval(() => {}, 1e6)'], env, volumes }),
  );
  const [target, caller] = await Promise.all([
    waitForDeployment(namespace, 'target'),
    waitForDeployment(namespace, 'caller'),
  ]);
  const developers = new Set<ChildProcess>();
  return {
    namespace,
    ports,
    targetPod: target.metadata!.name!,
    callerIP: caller.status!.podIP!,
    async call(kind, header = '', host = 'target') {
      const command = ['node', '/app/caller.cjs', kind, host, header];
      return JSON.parse(await runInPod(namespace, caller.metadata!.name!, command));
    },
    async load(seconds) {
      const command = ['node', '/app/load.cjs', 'target', String(seconds)];
      return JSON.parse(await runInPod(namespace, caller.metadata!.name!, command));
    },
    async develop(variables, wanted = ['http'], way = 'preload') {
      const env = {
        ...clusterEnv('deployment/target', namespace),
        MIRRORD_PROGRESS: 'off',
        BASE: String(base),
        APP_PORTS: wanted.map((name) => ports[name]).join(),
        ...variables,
      };
      const args = way === 'exec' ? [cli, 'exec', '--', process.execPath, app] : ['-r', preload, app];
      const developer = new Developer(startRunning(args, env, { stdin: 'pipe', detached: true }));
      developers.add(developer.process);
      await developer.up();
      return developer;
    },
    async leaveAll() {
      for (const child of developers) killGroup(child);
      developers.clear();
    },
    async drop() {
      for (const child of developers) killGroup(child);
      await drop();
    },
  };
}

/** The app too, where another process has started it. */
function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL');
  } catch {
    // All have ended.
  }
}
