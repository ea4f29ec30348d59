import type { Server, Socket } from 'node:net';
import { VERSION } from '../../version';
import type { AgentSettings, TargetRequest } from '../arguments';
import { sweep } from '../incoming/rules/sweep';
import type { Log } from '../log';
import { waitForTarget } from '../target/find-target';
import { holdProcess } from '../target/held-process';
import { type ProcessFacts, readProcess } from '../target/process-facts';
import { copyResolverFiles, keepResolverFiles } from '../target/resolver-files';
import { watchTarget } from '../target/watch-target';
import { listen, portOf } from './listen';
import { DRAIN_MS, EXIT, WORKER_EXIT_MS } from './messages';
import { startWorker, type WorkerProcess } from './worker-process';

/** The container may be between two of its lives when the agent looks for it. */
const FIND_LIMIT_MS = 10_000;
const SUCCESSOR_MS = 3_000;
const WATCH_MS = 500;
const RESOLVER_MS = 2_000;
/** The target's files may be on a volume that hangs; names are then resolved with what the agent's pod has. */
const COPY_LIMIT_MS = 5_000;

/**
 * The first process: holds the listener until the worker inside the target's network has it, keeps the resolver files
 * equal, notices the target's end, passes on SIGTERM. Resolves with the exit code; rejects with a MirrordError when the
 * agent cannot start.
 */
export async function supervise(settings: AgentSettings, request: TargetRequest, log: Log): Promise<number> {
  const early = holdConnections();
  const server = await listen(settings.port, early.add, { unread: true });
  log.info(`listening on 127.0.0.1:${portOf(server)}`, { port: portOf(server) });
  const { worker, target } = await startInTarget(settings, request, server, early.passTo, log);
  // From here on the worker alone accepts: a copy of the listener here would take every other connection away from it.
  server.close();
  process.stdout.write(`agent ready - version ${VERSION}\n`);

  let current = holdProcess(target);
  let stopping = false;
  const stop = (reason: string): void => {
    if (stopping) return;
    stopping = true;
    log.info(`stopping: ${reason}`);
    worker.send({ type: 'stop', reason });
    setTimeout(worker.kill, DRAIN_MS + WORKER_EXIT_MS).unref();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal));
  const stopWatch = watchTarget({
    containerId: request.containerId,
    target,
    intervalMs: WATCH_MS,
    successorMs: SUCCESSOR_MS,
    onSuccessor(next) {
      const held = holdProcess(next);
      current.close();
      current = held;
      worker.send({ type: 'target', target: next });
      log.info('the main process of the container was replaced', { pid: next.pid });
    },
    onGone: () => stop('the main process of the target container has ended'),
  });
  const stopResolver = keepResolverFiles(() => current.root, log, RESOLVER_MS);

  const { code, signal } = await worker.ended;
  stopWatch();
  stopResolver();
  // Its rules go with it, or with a process beside it; this is for one that was killed together with both.
  if (code !== EXIT.ok) await sweep(['nsenter', `--net=${current.networkPath}`, '--']);
  if (code === EXIT.ok || stopping) return EXIT.ok;
  log.error('the worker ended by itself', { code: code ?? undefined, signal: signal ?? undefined });
  return EXIT.failed;
}

/** Connections that are accepted here before the worker has the listener, unread. */
function holdConnections() {
  const waiting: Socket[] = [];
  let take: ((socket: Socket) => void) | undefined;
  return {
    add: (socket: Socket): void => {
      if (take) take(socket);
      else waiting.push(socket);
    },
    passTo(worker: WorkerProcess): void {
      take = (socket) => worker.send({ type: 'connection' }, socket);
      for (const socket of waiting.splice(0)) take(socket);
    },
  };
}

/** Finds the target and starts the worker there; once more when the target ended in between. */
async function startInTarget(
  settings: AgentSettings,
  request: TargetRequest,
  server: Server,
  passConnections: (worker: WorkerProcess) => void,
  log: Log,
): Promise<{ worker: WorkerProcess; target: ProcessFacts }> {
  for (let attempt = 1; ; attempt++) {
    const target = await waitForTarget(request, log, FIND_LIMIT_MS);
    log.debug('target found', { pid: target.pid });
    const worker = startWorker(target.pid);
    try {
      // Node needs its 40 ms to boot inside; the files are in place long before it can look up a name.
      await copyWithLimit(target, log);
      worker.send({ type: 'serve', settings, target }, server);
      await worker.serving;
      passConnections(worker);
      return { worker, target };
    } catch (error) {
      worker.kill();
      const alive = readProcess(target.pid)?.startTime === target.startTime;
      if (alive || attempt === 2) throw error;
      log.warn('the target ended while the worker was starting; looking for it again');
    }
  }
}

async function copyWithLimit(target: ProcessFacts, log: Log): Promise<void> {
  const held = holdProcess(target);
  const copied = copyResolverFiles(held.root, log).finally(held.close);
  const limit = new Promise((resolve) => setTimeout(resolve, COPY_LIMIT_MS, 'late').unref());
  if ((await Promise.race([copied, limit])) === 'late') {
    log.warn(`the resolver files of the target were not read within ${COPY_LIMIT_MS / 1000} s`);
  }
}
