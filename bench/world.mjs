// A cluster with two pods for the benchmarks: the one that is named, or a playground of our own.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openCluster } from '../examples/shop/cluster.mjs';
import { objectsOf, podOf } from '../examples/shop/objects.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const preload = join(root, 'register.cjs');
export const cli = join(root, 'dist/cli.js');
export const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Runs a process to its end and gives its standard output. */
export function output(command, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(stdout) : reject(new Error(`${args.join(' ')} ended with ${code}\n${stderr}`)),
    );
  });
}

export async function openWorld({ kubeconfig }) {
  const folder = mkdtempSync(join(tmpdir(), 'mirrord-bench-'));
  const own = !kubeconfig;
  const file = kubeconfig ?? join(folder, 'kubeconfig');
  const playground = (...args) =>
    output(process.execPath, [cli, 'playground', ...args], { ...process.env, MIRRORD_PLAYGROUND_DIR: folder });
  if (own) await playground('start', '--detach', '--kubeconfig', file);

  // A benchmark that is given up leaves no cluster behind.
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      const stopped = own ? playground('stop').catch(() => {}) : Promise.resolve();
      stopped.finally(() => process.exit(1));
    });
  }
  const namespace = 'default';
  const cluster = openCluster(file);
  const image = process.env.MIRRORD_E2E_NODE_IMAGE ?? 'playground/node:1';
  const { configMap, deployment, service } = objectsOf(namespace);
  const program = podOf({
    image,
    command: ['node', '/app/server.cjs'],
    port: 7000,
    mounts: { 'bench-code': '/app', 'bench-data': '/etc/bench' },
  });
  await cluster.apply([
    configMap('bench-code', {
      'server.cjs': readFileSync(here('server.cjs'), 'utf8'),
      'client.cjs': readFileSync(here('client.cjs'), 'utf8'),
      'link-client.cjs': readFileSync(here('link-client.cjs'), 'utf8'),
    }),
    configMap('bench-data', { '4k.txt': 'x'.repeat(4096) }),
    ...['bench-server', 'bench-target', 'bench-cold'].map((name) => deployment(name, program)),
    service('bench-server', 7000),
  ]);
  for (const name of ['bench-server', 'bench-target', 'bench-cold']) await cluster.waitForDeployment(namespace, name);

  return {
    cluster,
    namespace,
    env: {
      ...process.env,
      KUBECONFIG: file,
      MIRRORD_TARGET: 'deployment/bench-target',
      MIRRORD_TARGET_NAMESPACE: namespace,
      MIRRORD_PROGRESS: 'off',
      ...(process.env.MIRRORD_E2E_AGENT_IMAGE ? { MIRRORD_AGENT_IMAGE: process.env.MIRRORD_E2E_AGENT_IMAGE } : {}),
    },
    /** A further pod that has one of the programs here as `/code/FILE`. */
    async addPod(name, file, command, { port, hostPID = false } = {}) {
      const code = `${name}-code`;
      const pod = podOf({ image, command, port, mounts: { [code]: '/code' } });
      await cluster.apply([
        configMap(code, { [file]: readFileSync(here(file), 'utf8') }),
        deployment(name, { ...pod, hostPID }),
      ]);
      await cluster.waitForDeployment(namespace, name);
      return cluster.podOf(namespace, name);
    },
    async close() {
      if (own) await playground('stop');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
