import { formatError } from '../errors';
import { readSettings } from './arguments';
import { createLog } from './log';
import { EXIT, WORKER_ARGUMENT } from './run/messages';

// Read by libuv when its first thread starts. Name lookups may take half of the threads, and a file on a dead network
// volume takes one until it comes back.
process.env.UV_THREADPOOL_SIZE ??= '16';

/** The parts are loaded when it is known which one this process plays: less to evaluate before the first action. */
async function main(): Promise<void> {
  if (process.argv[2] === WORKER_ARGUMENT) {
    const { runWorker } = await import('./run/worker');
    return runWorker();
  }
  const settings = readOrExplain();
  if (!settings) return;
  const log = createLog({ level: settings.logLevel, json: settings.logJson, part: 'agent' });
  // What is started from here on has no business with the token; the worker gets it over its channel.
  delete process.env.MIRRORD_AGENT_TOKEN;
  try {
    if (settings.target && !settings.target.ephemeral) {
      const { supervise } = await import('./run/supervisor');
      process.exit(await supervise(settings, settings.target, log));
    }
    const { serveHere } = await import('./run/serve-here');
    process.exit(await serveHere(settings, log));
  } catch (error) {
    log.error(formatError(error).replaceAll('\n\n', ' '));
    process.exit(EXIT.failed);
  }
}

function readOrExplain() {
  try {
    return readSettings(process.argv.slice(2), process.env);
  } catch (error) {
    process.stderr.write(`${formatError(error).replaceAll('\n\n', ' ')}\n`);
    process.exitCode = EXIT.usage;
    return undefined;
  }
}

void main();
