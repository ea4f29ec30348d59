import { VERSION } from '../../version';
import type { AgentSettings } from '../arguments';
import type { Log } from '../log';
import { listenForMetrics, serveMetrics } from '../metrics';
import { waitForTarget } from '../target/find-target';
import type { ProcessFacts } from '../target/process-facts';
import { openTarget } from '../target/target';
import { watchTarget } from '../target/watch-target';
import { listen, portOf } from './listen';
import { AgentServer } from './server';

const FIND_LIMIT_MS = 10_000;

/**
 * One process that serves by itself: without a target, or inside the target's own pod, there is no network to enter. The
 * pod's resolver files are used as they are and never written. Resolves with the exit code.
 */
export async function serveHere(settings: AgentSettings, log: Log): Promise<number> {
  const request = settings.target;
  let facts: ProcessFacts | undefined;
  if (request) facts = await waitForTarget(request, log, FIND_LIMIT_MS);
  const agent = new AgentServer(settings, openTarget(facts), log);
  const listener = await listen(settings.port, () => {}, { unread: false });
  log.info(`listening on 127.0.0.1:${portOf(listener)}`, { port: portOf(listener) });
  const metrics = settings.metrics && (await listenForMetrics(settings.metrics, log));
  if (metrics) serveMetrics(metrics, () => agent.counts());
  process.stdout.write(`agent ready - version ${VERSION}\n`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => agent.stop(signal));
  const stopWatch =
    request && facts
      ? watchTarget({
          containerId: request.containerId,
          target: facts,
          intervalMs: 500,
          successorMs: 3_000,
          onSuccessor: (next) => agent.replaceTarget(openTarget(next)),
          onGone: () => agent.stop('the main process of the target container has ended'),
        })
      : () => {};
  const code = await agent.serve(listener);
  stopWatch();
  return code;
}
