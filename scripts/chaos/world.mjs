// A playground with a server and a target pod, and a kubeconfig that leads through the proxy.
import { fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { BatchV1Api, CoreV1Api, Exec, KubeConfig } from '@kubernetes/client-node';
import { dump, load } from 'js-yaml';
import { cli, output } from '../../bench/world.mjs';
import { openCluster } from '../../examples/shop/cluster.mjs';
import { objectsOf, podOf } from '../../examples/shop/objects.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const namespace = 'default';

export async function openWorld() {
  const folder = mkdtempSync(join(tmpdir(), 'mirrord-chaos-'));
  const direct = join(folder, 'kubeconfig');
  const playground = (...args) =>
    output(process.execPath, [cli, 'playground', ...args], { ...process.env, MIRRORD_PLAYGROUND_DIR: folder });
  await playground('start', '--detach', '--kubeconfig', direct);
  const proxy = await startProxyProcess(direct, folder);
  const close = async () => {
    proxy.process.kill('SIGKILL');
    await playground('stop');
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const cluster = openCluster(direct);
    const file = randomBytes(150_000).toString('base64');
    await cluster.apply(manifests(file));
    for (const name of ['chaos-server', 'chaos-target']) await cluster.waitForDeployment(namespace, name);
    const config = new KubeConfig();
    config.loadFromFile(direct);
    const core = config.makeApiClient(CoreV1Api);
    const { spec } = await core.readNamespacedService({ namespace, name: 'chaos-server' });
    return {
      folder,
      kubeconfig: proxy.kubeconfig,
      proxy: proxy.process,
      address: spec.clusterIP,
      file: { length: file.length, sha256: createHash('sha256').update(file).digest('hex') },
      killAgent: (which) => killAgent(config, core, which),
      agentJobs: () => agentJobs(config),
      serverFacts: async () => {
        const pod = await cluster.podOf(namespace, 'chaos-server');
        return JSON.parse(await cluster.run(namespace, pod.metadata.name, ['node', '/app/ask.cjs']));
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startProxyProcess(direct, folder) {
  const config = load(readFileSync(direct, 'utf8'));
  const { cluster } = config.clusters[0];
  const url = new URL(cluster.server);
  const child = fork(here('proxy-process.mjs'), [url.hostname, url.port], { stdio: 'inherit' });
  const [{ port }] = await once(child, 'message');
  cluster.server = `https://127.0.0.1:${port}`;
  const kubeconfig = join(folder, 'kubeconfig-proxied');
  writeFileSync(kubeconfig, dump(config), { mode: 0o600 });
  return { process: child, kubeconfig };
}

function manifests(file) {
  const code = Object.fromEntries(
    ['bytes.cjs', 'server.cjs', 'ask.cjs'].map((name) => [name, readFileSync(here(name), 'utf8')]),
  );
  const { configMap, deployment, service } = objectsOf(namespace);
  const program = podOf({
    image: 'playground/node:1',
    command: ['node', '/app/server.cjs'],
    port: 7100,
    mounts: { 'chaos-code': '/app', 'chaos-file': '/etc/chaos' },
  });
  return [
    configMap('chaos-code', code),
    configMap('chaos-file', { 'file.bin': file }),
    deployment('chaos-server', program),
    deployment('chaos-target', program),
    service('chaos-server', 7100),
  ];
}

/**
 * Runs in the agent's container and kills its supervisor or its worker process. Found by the id of the target's container, which
 * is among the supervisor's arguments: other agents may be in sight.
 */
const KILL = `
const fs = require('node:fs');
const [which, id] = process.argv.slice(1);
const read = (pid, name) => { try { return fs.readFileSync('/proc/' + pid + '/' + name, 'utf8'); } catch { return ''; } };
const agents = fs.readdirSync('/proc').filter((pid) => /^[0-9]+$/.test(pid))
  .map((pid) => ({ pid, words: read(pid, 'cmdline').split('\\0'), parent: read(pid, 'stat').split(') ')[1]?.split(' ')[1] }))
  .filter(({ words }) => /agent\\.c?js$/.test(words[1] ?? ''));
const supervisor = agents.find(({ words }) => words.includes(id))?.pid;
const chosen = which === 'supervisor' ? supervisor : agents.find(({ parent }) => parent === supervisor)?.pid;
// Told first, and with time to arrive: this very process ends with the supervisor's container.
process.stdout.write(chosen ?? '', () => chosen && setTimeout(() => process.kill(Number(chosen), 'SIGKILL'), 100));
`;

/** Answers the number of the process; undefined when no agent runs or it has no such process. */
async function killAgent(config, core, which) {
  const { items } = await core.listNamespacedPod({ namespace });
  const pod = items.find(
    ({ metadata, status }) =>
      metadata.name.startsWith('mirrord-agent') && status?.phase === 'Running' && !metadata.deletionTimestamp,
  );
  if (!pod) return undefined;
  let text = '';
  const out = new PassThrough();
  out.on('data', (chunk) => (text += chunk));
  const { name, command = [], args = [] } = pod.spec.containers[0];
  const words = [...command, ...args];
  const id = words[words.indexOf('--container-id') + 1];
  // Killing the supervisor ends the exec, with or without a status.
  await Promise.race([
    new Promise((resolve, reject) => {
      new Exec(config)
        .exec(namespace, pod.metadata.name, name, ['node', '-e', KILL, which, id], out, null, null, false, resolve)
        .then((socket) => socket.on('close', resolve), reject);
    }),
    new Promise((resolve) => setTimeout(resolve, 5000)),
  ]);
  return text || undefined;
}

async function agentJobs(config) {
  const { items } = await config.makeApiClient(BatchV1Api).listNamespacedJob({ namespace });
  return items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith('mirrord-agent'));
}
