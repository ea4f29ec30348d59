import type { Server, Socket } from 'node:net';
import { createLog } from '../log';
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
    switch (message.type) {
      case 'serve': {
        const { settings } = message;
        const log = createLog({ level: settings.logLevel, json: settings.logJson, part: 'worker' });
        server = new AgentServer(settings, openTarget(message.target), log);
        void server.serve(handle as Server).then((code) => process.exit(code));
        process.send!({ type: 'serving' } satisfies FromWorker);
        break;
      }
      case 'connection':
        server?.accept(handle as Socket);
        break;
      case 'target':
        server?.replaceTarget(openTarget(message.target));
        break;
      case 'stop':
        server?.stop(message.reason);
        break;
    }
  });
}
