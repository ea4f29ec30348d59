// What a stream that does nothing costs in memory, on both ends.
import { readdirSync, readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import { residentBytes, startInPod, startKubectl, startPreloaded } from './link-world.mjs';

/** Each stream takes two descriptors of the client, which may have 20,000 or fewer. */
const PER_PROCESS = 4000;

/** Bytes in all; `client` is what the preloaded processes grow by beyond the same sockets of a plain one. */
export async function measureIdle({ world, pod, env, kubectl }, count) {
  const shares = Array.from({ length: Math.ceil(count / PER_PROCESS) }, (_, index) =>
    Math.min(PER_PROCESS, count - index * PER_PROCESS),
  );
  const plain = await inTurn(shares, async (share) => {
    const client = await startInPod(env.KUBECONFIG, world.namespace, pod);
    const { rssBytes } = await client.ask('idle', { count: share });
    await client.close();
    return rssBytes;
  });

  const clients = await inTurn(shares, () => startPreloaded(env));
  const agents = agentProcesses(env.KUBECONFIG);
  // Its heap is small and young before: the first transfers make it grow once and for all.
  for (const client of clients) await client.ask('connects', { count: 200 });
  const before = agents.map(residentBytes);
  const preloaded = await inTurn(shares, async (share, index) => {
    return (await clients[index].ask('idle', { count: share })).rssBytes;
  });
  const after = agents.map(residentBytes);
  for (const client of clients) await client.close();

  return {
    count,
    client: sum(preloaded) - sum(plain),
    plain: sum(plain),
    // On a cluster elsewhere the agent's processes cannot be seen from here.
    agent: agents.length > 0 ? Math.max(...after.map((bytes, index) => bytes - before[index])) : undefined,
    kubectl: kubectl && count <= PER_PROCESS ? await measureKubectl(env, world.namespace, pod, count) : undefined,
  };
}

async function measureKubectl(env, namespace, pod, count) {
  const client = await startKubectl(env.KUBECONFIG, namespace, pod);
  await client.ask('connects', { count: 200 });
  const before = residentBytes(client.kubectlPid);
  await client.ask('idle', { count });
  const bytes = residentBytes(client.kubectlPid) - before;
  await client.close();
  return bytes;
}

/** Worker processes of the agents of one playground on this machine: others may run here, and come and go. */
function agentProcesses(kubeconfig) {
  const { port } = new URL(load(readFileSync(kubeconfig, 'utf8')).clusters[0].cluster.server);
  return readdirSync('/proc').filter((name) => {
    const words = commandOf(name);
    const isAgent = words.some((word) => /agent.*\.c?js$/.test(word)) && words.includes('--worker');
    return isAgent && /node$/.test(words[0]) && ancestors(name).some((pid) => isPlayground(commandOf(pid), port));
  });
}

const isPlayground = (words, port) => words.some((word) => word.startsWith(`{"port":${port},`));

function ancestors(pid) {
  const parents = [];
  for (let parent = parentOf(pid); parent > 1; parent = parentOf(parent)) parents.push(parent);
  return parents;
}

const parentOf = (pid) => Number(/PPid:\s+(\d+)/.exec(readText(`/proc/${pid}/status`))?.[1] ?? 0);
const commandOf = (pid) => readText(`/proc/${pid}/cmdline`).split('\0');

/** A process may end while it is looked at. */
function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

async function inTurn(items, action) {
  const results = [];
  for (const [index, item] of items.entries()) results.push(await action(item, index));
  return results;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
