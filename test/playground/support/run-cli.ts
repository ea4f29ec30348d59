import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
export const cli = `${root}dist/cli.js`;
export const preload = `${root}register.cjs`;

export interface Running {
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>;
}

/** Starts Node with our built files; `kubeconfig` is a path. */
export function runNode(args: string[], kubeconfig: string, env: NodeJS.ProcessEnv = {}): Running {
  const base = Object.entries(process.env).filter(([name]) => !/^(VITEST|MIRRORD|NODE_OPTIONS|CI$)/.test(name));
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: {
      ...Object.fromEntries(base),
      KUBECONFIG: kubeconfig,
      MIRRORD_TARGET_NAMESPACE: 'default',
      CI: 'true',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Awaited<Running['ended']>>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr })),
  );
  return { child, stdout: () => stdout, stderr: () => stderr, ended };
}
