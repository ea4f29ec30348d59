import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCluster } from './cluster';
import { removeOwnJob } from './ensure-job';
import type { GuardedJob } from './types';

/** Milliseconds for all of it; the request that creates the Job may still be on its way when its sender is dead. */
const LIMIT = 30_000;
const CREATION_LIMIT = 3_000;
const POLL = 200;

/**
 * Entry of the reaper's bundle. Reads lines until its standard input ends, which is when the process that started it has
 * gone; then removes what is still guarded. Tells nobody: whoever could read it is dead.
 */
async function main(): Promise<void> {
  const { job, folder } = await readGuarded();
  if (folder) rmSync(folder, { recursive: true, force: true });
  if (!job) return;
  setTimeout(() => process.exit(1), LIMIT).unref();
  await remove(job);
}

async function readGuarded(): Promise<{ job: GuardedJob | undefined; folder: string | undefined }> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk;
  let job: GuardedJob | undefined;
  let folder: string | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('job ')) job = JSON.parse(line.slice(4)) as GuardedJob;
    else if (line.startsWith('folder ')) folder = line.slice(7);
    else if (line === 'forget') job = undefined;
  }
  return { job, folder };
}

async function remove({ access, ...job }: GuardedJob): Promise<void> {
  const started = Date.now();
  for (;;) {
    try {
      const cluster = await openCluster(access);
      const found = await removeOwnJob(cluster, job).finally(() => cluster.close());
      if (found !== 'none' || Date.now() - started > CREATION_LIMIT) return;
    } catch {
      // The cluster cannot be reached at the moment; until the limit it may be again.
    }
    await sleep(POLL);
  }
}

process.on('SIGINT', () => {});
void main().finally(() => process.exit(0));
