// npm run demo: a pod of the shop and the same program on this machine, side by side.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openCluster } from './cluster.mjs';
import { shopManifests } from './manifests.mjs';

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    kubeconfig: { type: 'string' },
    namespace: { type: 'string', default: 'default' },
    image: { type: 'string', default: 'playground/node:1' },
    'agent-image': { type: 'string' },
  },
});

const root = fileURLToPath(new URL('../..', import.meta.url));
const cli = join(root, 'dist/cli.js');
const preload = createRequire(import.meta.url).resolve('../../register.cjs');
const folder = mkdtempSync(join(tmpdir(), 'mirrord-demo-'));
const namespace = flags.namespace;
const steps = [];
const cleanUps = [];

const say = (text = '') => {
  if (!flags.json) console.log(text);
};

/** Runs one step, keeps its name, outcome and time, and passes its result on. */
async function step(name, action) {
  const started = performance.now();
  const record = { name, ok: false, ms: 0 };
  steps.push(record);
  try {
    const result = await action();
    record.ok = true;
    return result;
  } finally {
    record.ms = Math.round(performance.now() - started);
    say(`${record.ok ? '✔' : '✘'} ${name} (${record.ms} ms)`);
  }
}

/** Runs one of our own commands to its end. */
function command(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, ...args], {
      env: { ...process.env, MIRRORD_PLAYGROUND_DIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve(output) : reject(new Error(`mirrord ${args.join(' ')}:\n${output}`)),
    );
  });
}

async function startPlayground() {
  const kubeconfig = join(folder, 'kubeconfig');
  cleanUps.push(() => command(['playground', 'stop']));
  await command(['playground', 'start', '--detach', '--kubeconfig', kubeconfig]);
  return kubeconfig;
}

/** Starts `reviews` on this machine under the preload and resolves when it says that it listens. */
function startLocalReviews(kubeconfig) {
  const child = spawn(process.execPath, ['-r', preload, join(root, 'examples/shop/app/reviews.js')], {
    env: {
      ...process.env,
      KUBECONFIG: kubeconfig,
      MIRRORD_TARGET: 'deployment/reviews',
      MIRRORD_TARGET_NAMESPACE: namespace,
      ...(flags['agent-image'] ? { MIRRORD_AGENT_IMAGE: flags['agent-image'] } : {}),
      LISTEN_PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  cleanUps.push(() => stopChild(child));
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      if (stdout.includes('\n')) resolve({ pid: child.pid, port: JSON.parse(stdout).listening, log: () => stderr });
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the local reviews ended with code ${code}:\n${stderr}`)));
  });
}

function stopChild(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  return new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill();
  });
}

async function localFacts(port) {
  const response = await fetch(`http://127.0.0.1:${port}/facts`);
  return response.json();
}

/** Through the frontend, as a customer would: frontend calls reviews by its service name. */
async function podFacts(cluster) {
  const frontend = await cluster.podOf(namespace, 'frontend');
  const script = "fetch('http://127.0.0.1/reviews-facts').then((r) => r.text()).then((t) => process.stdout.write(t))";
  return JSON.parse(await cluster.run(namespace, frontend.metadata.name, ['node', '-e', script]));
}

/** Prints both columns and makes each line a step of its own. */
function compare(pod, local, podIP) {
  const rows = Object.keys(pod).map((name) => ({ name, pod: String(pod[name]), local: String(local[name]) }));
  const width = (key, title) => Math.max(title.length, ...rows.map((row) => row[key].length));
  const [a, b, c] = [width('name', ''), width('pod', 'the pod sees'), width('local', 'the local process sees')];
  say();
  say(`  ${''.padEnd(a)}  ${'the pod sees'.padEnd(b)}  ${'the local process sees'.padEnd(c)}`);
  for (const row of rows) {
    const fromPod = row.name.endsWith('seen from');
    // Calls have to come from the pod's own address, not merely from equal ones.
    const ok = row.pod === row.local && (!fromPod || row.local === podIP);
    steps.push({ name: row.name, ok, ms: 0 });
    say(`${ok ? '✔' : '✘'} ${row.name.padEnd(a)}  ${row.pod.padEnd(b)}  ${row.local.padEnd(c)}`);
  }
  say();
}

async function main() {
  const kubeconfig = flags.kubeconfig ?? (await step('start the playground', startPlayground));
  const cluster = openCluster(kubeconfig);
  await step('deploy the shop', async () => {
    await cluster.apply(shopManifests({ namespace, image: flags.image }));
    await Promise.all(['reviews', 'frontend'].map((name) => cluster.waitForDeployment(namespace, name)));
  });
  const pod = await cluster.podOf(namespace, 'reviews');
  const seenByPod = await step('ask the pod what it sees, through the frontend', () => podFacts(cluster));
  const local = await step('start reviews on this machine under the preload', () => startLocalReviews(kubeconfig));
  const seenLocally = await step('ask the local process what it sees', () => localFacts(local.port));
  compare(seenByPod, seenLocally, pod.status.podIP);
  say(`pod ${pod.metadata.name}, local process ${local.pid} on this machine`);
}

let failure;
try {
  await main();
} catch (error) {
  failure = error;
}
for (const cleanUp of cleanUps.reverse()) await Promise.resolve(cleanUp()).catch((error) => (failure ??= error));
rmSync(folder, { recursive: true, force: true });

const ok = !failure && steps.every((one) => one.ok);
if (failure) console.error(failure.stack ?? failure);
if (flags.json) console.log(JSON.stringify({ ok, steps }));
else
  say(
    ok
      ? `all ${steps.length} checks passed`
      : `FAILED: ${
          steps
            .filter((one) => !one.ok)
            .map((one) => one.name)
            .join(', ') || failure?.message
        }`,
  );
process.exit(ok ? 0 : 1);
