// A playground with the target, a pod that calls it, one that sees and kills; and the developer's app beside it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { BatchV1Api, Exec, KubeConfig } from '@kubernetes/client-node';
import { cli, output, preload } from '../../bench/world.mjs';
import { openCluster } from '../../examples/shop/cluster.mjs';
import { objectsOf, podOf } from '../../examples/shop/objects.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const namespace = 'default';

/** @param {{onRequests(from: string, requests: object[]): void}} options Called with what callers were told, as it comes. */
export async function openWorld({ onRequests }) {
  const folder = mkdtempSync(join(tmpdir(), 'mirrord-chaos-incoming-'));
  const kubeconfig = join(folder, 'kubeconfig');
  const playground = (...args) =>
    output(process.execPath, [cli, 'playground', ...args], { ...process.env, MIRRORD_PLAYGROUND_DIR: folder });
  await playground('start', '--detach', '--kubeconfig', kubeconfig);
  const close = async () => {
    await playground('stop');
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const cluster = openCluster(kubeconfig);
    // One that is free on this machine too: the app has it here.
    const port = await freePort();
    await cluster.apply(manifests(port));
    for (const name of ['target', 'caller', 'operator']) await cluster.waitForDeployment(namespace, name, 30_000);
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    const target = await cluster.podOf(namespace, 'target');
    const containerId = target.status.containerStatuses
      .find(({ name }) => name === 'app')
      .containerID.replace(/^.*:\/\//, '');
    const open = async (name, container, command) =>
      openProgram(config, (await cluster.podOf(namespace, name)).metadata.name, container, command);
    const operator = await open('operator', 'app', ['node', '/app/operator.cjs', containerId]);
    const loads = [
      ['outside', await open('caller', 'app', ['node', '/app/load.cjs', 'target', String(port), '6'])],
      ['inside', await open('target', 'neighbour', ['node', '/app/load.cjs', '127.0.0.1', String(port), '4'])],
    ];
    for (const [from, { lines }] of loads) lines.on('line', (line) => onRequests(from, JSON.parse(line)));
    return {
      operator: (order) => operator.ask(order),
      startApp: () => startApp(kubeconfig, port),
      agentJobs: async () => {
        const { items } = await config.makeApiClient(BatchV1Api).listNamespacedJob({ namespace });
        return items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith('mirrord-agent'));
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function freePort() {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

/** Runs a program in a container as long as this process lives: lines in, lines out. */
async function openProgram(config, pod, container, command) {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stderr.on('data', (chunk) => process.stderr.write(chunk));
  const lines = createInterface({ input: stdout });
  await new Exec(config).exec(namespace, pod, container, command, stdout, stderr, stdin, false);
  return {
    lines,
    async ask(order) {
      stdin.write(`${JSON.stringify(order)}\n`);
      const [line] = await once(lines, 'line', { signal: AbortSignal.timeout(60_000) });
      return JSON.parse(line);
    },
  };
}

async function startApp(kubeconfig, port) {
  const child = spawn(process.execPath, ['-r', preload, here('app.cjs'), String(port)], {
    env: {
      ...process.env,
      KUBECONFIG: kubeconfig,
      MIRRORD_TARGET: 'deployment/target/container/app',
      MIRRORD_AGENT_TCP_STEAL_TRAFFIC: 'true',
      MIRRORD_PROGRESS: 'off',
      MIRRORD_AGENT_IDLE_TIMEOUT: '1',
    },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr = (stderr + chunk).slice(-3000);
  });
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  await Promise.race([
    once(child, 'message'),
    ended.then((how) => Promise.reject(new Error(`the app ended (${how}): ${stderr}`))),
  ]);
  return { child, ended, stderr: () => stderr };
}

const programs = ['target.cjs', 'load.cjs', 'operator.cjs'];

function manifests(port) {
  const code = Object.fromEntries(programs.map((name) => [name, readFileSync(here(name), 'utf8')]));
  const { configMap, deployment, service } = objectsOf(namespace);
  const pod = (command, container = {}) =>
    podOf({ image: 'playground/node:1', command, mounts: { 'chaos-code': '/app' }, ...container });
  const wait = ['node', '-e', 'setInterval(() => {}, 1e6)'];
  const capabilities = { add: ['SYS_ADMIN', 'SYS_PTRACE', 'NET_ADMIN', 'KILL'] };
  const target = pod(['node', '/app/target.cjs', String(port)], {
    readinessProbe: { httpGet: { port, path: '/0' }, periodSeconds: 1, failureThreshold: 30 },
  });
  const [neighbour] = pod(wait, { name: 'neighbour' }).containers;
  return [
    configMap('chaos-code', code),
    deployment('target', { ...target, containers: [...target.containers, neighbour] }),
    deployment('caller', pod(wait)),
    deployment('operator', { ...pod(wait, { securityContext: { capabilities } }), hostPID: true }),
    service('target', port),
  ];
}
