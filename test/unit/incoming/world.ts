import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type AgentThread, startAgentThread } from '../../support/bridge/agent-thread';
import { type Bundles, buildBundles } from '../../support/bridge/bundles';
import { freePorts } from '../../support/free-ports';

export interface App {
  /** The next line that is a JSON value, parsed. */
  next(): Promise<any>;
  readonly stderr: string;
  readonly process: ChildProcess;
  send(line: string): void;
  ended: Promise<number | null>;
}

export interface Apps {
  readonly agent: AgentThread;
  /** Starts a program with the preload. `port` of the environment is one that is free here and in the pod. */
  start(body: string, options?: { incoming?: object; env?: NodeJS.ProcessEnv }): App;
  stop(app: App): Promise<void>;
}

const LIMIT_MS = 15_000;

/** Programs under the real preload and the real worker; what is scripted is the agent. Killed after each test. */
export function useApps(): Apps {
  let bundles: Bundles;
  let agent: AgentThread;
  let folder: string;
  let sequence = 0;
  const running = new Set<App>();
  beforeAll(async () => {
    bundles = await buildBundles();
    agent = await startAgentThread(bundles.agent);
    folder = mkdtempSync(join(tmpdir(), 'mirrord-incoming-'));
  });
  const stop = async (app: App) => {
    // Its children too.
    try {
      process.kill(-app.process.pid!, 'SIGKILL');
    } catch {
      // All have ended.
    }
    await app.ended;
    running.delete(app);
  };
  afterEach(async () => {
    await Promise.all([...running].map(stop));
  });
  afterAll(async () => {
    await agent?.close();
    bundles?.remove();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    get agent() {
      return agent;
    },
    stop,
    start(body, { incoming = { mode: 'steal' }, env = {} } = {}) {
      sequence += 1;
      const file = join(folder, `app-${sequence}.cjs`);
      writeFileSync(file, `const say = (value) => console.log(JSON.stringify(value));\n${body}`);
      const { NODE_OPTIONS, VITEST, ...clean } = process.env;
      const app = watch(
        spawn(process.execPath, ['-r', bundles.register, file], {
          env: {
            ...clean,
            TEST_AGENT_PORT: String(agent.port),
            TEST_INCOMING: JSON.stringify(incoming),
            MIRRORD_PROGRESS: 'off',
            ...env,
          },
          stdio: ['pipe', 'pipe', 'pipe'],
          detached: true,
        }),
      );
      running.add(app);
      return app;
    },
  };
}

function watch(child: ChildProcess): App {
  const lines: string[] = [];
  let stderr = '';
  let rest = '';
  let wake = () => {};
  child.stdout!.on('data', (chunk) => {
    rest += chunk;
    const parts = rest.split('\n');
    rest = parts.pop()!;
    lines.push(...parts);
    wake();
  });
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      resolve(code);
      wake();
    });
  });
  return {
    process: child,
    ended,
    get stderr() {
      return stderr;
    },
    send: (line) => void child.stdin!.write(`${line}\n`),
    async next() {
      const deadline = Date.now() + LIMIT_MS;
      for (;;) {
        const line = lines.shift();
        if (line !== undefined) return JSON.parse(line);
        const left = deadline - Date.now();
        if (left <= 0 || child.exitCode !== null) throw new Error(`the app has said nothing more: ${stderr}`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
  };
}

/** Two ports that nobody uses: one for the app, one for the scripted pod. */
export async function twoPorts(): Promise<[number, number]> {
  const first = await freePorts(2);
  return [first, first + 1];
}
