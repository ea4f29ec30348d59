import { constants } from 'node:os';
import spawn from 'cross-spawn';
import { MirrordError } from '../errors';

const RELAYED: NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR2', 'SIGQUIT'];

/**
 * Runs the command with our standard streams and resolves to the exit code a shell would show: its own, or 128 + n after
 * signal n. Rejects with COMMAND_NOT_FOUND or COMMAND_FAILED when it cannot be started.
 */
export function runChild(command: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [file, ...args] = command as [string, ...string[]];
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: 'inherit', env });
    const relays = RELAYED.map((signal) => ({ signal, relay: () => void child.kill(signal) }));
    // A terminal sends Ctrl-C to the whole foreground group, so the child has it already; we only must not die first.
    const stay = () => {};
    process.on('SIGINT', stay);
    for (const { signal, relay } of relays) process.on(signal, relay);
    const done = () => {
      process.off('SIGINT', stay);
      for (const { signal, relay } of relays) process.off(signal, relay);
    };
    child.once('error', (error: NodeJS.ErrnoException) => {
      done();
      reject(startFailure(file, error));
    });
    child.once('exit', (code, signal) => {
      done();
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}

function startFailure(file: string, error: NodeJS.ErrnoException): MirrordError {
  if (error.code === 'ENOENT') {
    return new MirrordError('COMMAND_NOT_FOUND', `the command "${file}" was not found`, {
      hint: 'Check the spelling and PATH; everything after -- is the command, e.g. mirrord exec -t deployment/x -- node app.js',
      cause: error,
    });
  }
  return new MirrordError('COMMAND_FAILED', `the command "${file}" could not be started: ${error.message}`, {
    cause: error,
  });
}
