import type { Server, Socket } from 'node:net';
import { formatError } from '../../errors';
import type { AgentSettings } from '../arguments';
import { createLog } from '../log';
import { serveMetrics } from '../metrics';
import type { ProcessFacts } from '../target/process-facts';
import { openTarget } from '../target/target';
import { EXIT, type FromWorker, type ToWorker } from './messages';
import { AgentServer } from './server';

/** The process inside the target's network: waits for the listener, then serves until it is told to stop. */
export function runWorker(): void {
  if (!process.send) {
    process.stderr.write('mirrord agent: the worker is started by the agent, not by hand\n');
    process.exitCode = EXIT.usage;
    return;
  }
  let server: AgentServer | undefined;
  // Without its supervisor nobody would see SIGTERM or the target's end any more.
  process.on('disconnect', () => process.exit(EXIT.failed));
  process.on('message', (message: ToWorker, handle?: Server | Socket) => {
    if (message.type === 'serve') {
      server = createServer(message.settings, message.target);
      void server.serve(handle as Server).then((code) => process.exit(code));
      process.send!({ type: 'serving' } satisfies FromWorker);
    } else if (message.type === 'connection') {
      // It may have been closed while it was handed over: then there is none.
      if (handle) server?.accept(handle as Socket);
    } else if (message.type === 'metrics') serveMetrics(handle as Server, () => server!.counts());
    else if (message.type === 'target') replaceTarget(server, message.target);
    else if (message.type === 'stop') server?.stop(message.reason);
  });
}

function createServer(settings: AgentSettings, target: ProcessFacts): AgentServer {
  const log = createLog({ level: settings.logLevel, json: settings.logJson, part: 'worker' });
  try {
    return new AgentServer(settings, openTarget(target), log);
  } catch (error) {
    log.error(formatError(error).replaceAll('\n\n', ' '));
    process.exit(EXIT.failed);
  }
}

function replaceTarget(server: AgentServer | undefined, target: ProcessFacts): void {
  try {
    server?.replaceTarget(openTarget(target));
  } catch {
    // It has ended already; the supervisor will notice by itself, and tell of the next one or of the end.
  }
}
