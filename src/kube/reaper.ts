import { setTimeout as sleep } from 'node:timers/promises';
import { RELEASED, type ReaperOrder } from './reaper-order';

/** Milliseconds during which the request that creates the Job may still be on its way. */
const LATE = 5_000;
const INTERVAL = 250;
/** Milliseconds after which it gives up in any case. */
const LIMIT = 20_000;

/** Waits until whoever started it has died, which closes this pipe, or has said that all is well. */
async function main(): Promise<void> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) text += chunk;
  const [order, word] = text.split('\n');
  if (word === RELEASED || !order) return;
  setTimeout(() => process.exit(1), LIMIT).unref();
  await reap(JSON.parse(order) as ReaperOrder);
}

async function reap(order: ReaperOrder): Promise<void> {
  // Loaded only now: as a rule it is never needed.
  const [{ openCluster }, { removeOwnJob }] = await Promise.all([import('./cluster'), import('./ensure-job')]);
  const cluster = await openCluster(order.access);
  try {
    for (const until = Date.now() + LATE; ; await sleep(INTERVAL)) {
      if (await removeOwnJob(cluster, order)) return;
      if (Date.now() > until) return;
    }
  } finally {
    cluster.close();
  }
}

main().then(
  () => process.exit(0),
  () => process.exit(1),
);
