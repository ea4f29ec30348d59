// The three ways to one server in a pod: from the pod itself, by `kubectl port-forward`, and under the preload.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { Exec, KubeConfig } from '@kubernetes/client-node';
import { dump, load } from 'js-yaml';
import { startProxy } from './proxy.mjs';
import { here, preload } from './world.mjs';

/** A kubeconfig that leads through a proxy in front of the API server, and that proxy. */
export async function proxiedKubeconfig(kubeconfig, folder, name, options) {
  const config = load(readFileSync(kubeconfig, 'utf8'));
  const context = config.contexts.find((one) => one.name === config['current-context']).context;
  const { cluster } = config.clusters.find((one) => one.name === context.cluster);
  const url = new URL(cluster.server);
  const proxy = await startProxy({ host: url.hostname, port: Number(url.port || 443) }, options);
  // The certificate is for the server's own name.
  cluster['tls-server-name'] ??= url.hostname;
  cluster.server = `https://127.0.0.1:${proxy.port}`;
  const file = join(folder, `kubeconfig-${name}`);
  writeFileSync(file, dump(config), { mode: 0o600 });
  return { file, proxy };
}

/** The version of kubectl, or undefined when there is none. */
export function kubectlVersion() {
  const { status, stdout } = spawnSync('kubectl', ['version', '--client', '-o', 'json'], { encoding: 'utf8' });
  return status === 0 ? JSON.parse(stdout).clientVersion.gitVersion : undefined;
}

/** Milliseconds for one measurement: a client that hangs must not hold up the others. */
const ANSWER_LIMIT = 180_000;

async function within(limitMs, promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer within ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Joins lines of commands and answers to a process. */
function conversation(input, outputStream, fail) {
  const waiting = [];
  let text = '';
  outputStream.on('data', (chunk) => {
    text += chunk;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      waiting.shift()?.resolve(JSON.parse(text.slice(0, end)));
      text = text.slice(end + 1);
    }
  });
  const answer = () => new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  const ready = answer();
  fail.then((error) => {
    for (const { reject } of waiting.splice(0)) reject(error);
  });
  return {
    ready,
    async ask(action, options = {}) {
      const reply = answer();
      input.write(`${JSON.stringify({ action, ...options })}\n`);
      const result = await within(ANSWER_LIMIT, reply, action);
      if (result.error) throw new Error(`${action}: ${result.error}`);
      return result;
    },
  };
}

/** The client as a process of this machine. */
export async function startClient(env, args = []) {
  const child = spawn(process.execPath, ['--expose-gc', ...args, here('link-client.cjs')], { env, stdio: 'pipe' });
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr = (stderr + chunk).slice(-4000)));
  const ended = new Promise((resolve) =>
    child.once('close', (code) => resolve(new Error(`the client ended with ${code}: ${stderr}`))),
  );
  const talk = conversation(child.stdin, child.stdout, ended);
  await talk.ready;
  return {
    pid: child.pid,
    ask: talk.ask,
    async close() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(timer);
    },
  };
}

export const startPreloaded = (env) => startClient(env, ['-r', preload]);

/** The same client inside the pod. */
export async function startInPod(kubeconfig, namespace, pod) {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  let end;
  const ended = new Promise((resolve) => (end = resolve));
  const command = ['node', '--expose-gc', '/app/link-client.cjs'];
  await new Exec(config).exec(namespace, pod, 'app', command, stdout, stderr, stdin, false, (status) =>
    end(new Error(`the client in the pod ended: ${status.message ?? status.status}`)),
  );
  const talk = conversation(stdin, stdout, ended);
  await talk.ready;
  return {
    ask: talk.ask,
    async close() {
      stdin.end();
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 2000))]);
    },
  };
}

/** `kubectl port-forward` and a plain client behind it. */
export async function startKubectl(kubeconfig, namespace, pod) {
  const child = spawn('kubectl', ['port-forward', '-n', namespace, `pod/${pod}`, ':7000'], {
    env: { ...process.env, KUBECONFIG: kubeconfig },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const port = await new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const found = /127\.0\.0\.1:(\d+)/.exec(text);
      if (found) resolve(found[1]);
    });
    child.stderr.on('data', (chunk) => (text += chunk));
    child.once('close', () => reject(new Error(`kubectl ended: ${text}`)));
  });
  const client = await startClient({ ...process.env, LINK_PORT: port });
  return {
    ...client,
    kubectlPid: child.pid,
    async close() {
      await client.close();
      child.kill();
    },
  };
}

/** Resident bytes of a process of this machine. */
export function residentBytes(pid) {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(text)[1]) * 1024;
}
