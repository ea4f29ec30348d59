import { Command, CommanderError } from 'commander';
import { VERSION } from '../version';
import { presentError } from './present-error';

type Register = (program: Command) => void;

/** Loaded when they are asked for: to start a session must not take the time of all the others. */
const COMMANDS: Record<string, () => Promise<Register>> = {
  exec: async () => (await import('./commands/exec')).registerExec,
  ls: async () => (await import('./commands/ls')).registerLs,
  doctor: async () => (await import('./commands/doctor')).registerDoctor,
  clean: async () => (await import('./commands/clean')).registerClean,
  playground: async () => (await import('./commands/playground')).registerPlayground,
};

async function main(): Promise<void> {
  const program = new Command('mirrord')
    .description('Run a Node.js app on this machine with the environment, files, DNS and network of a pod.')
    .version(VERSION)
    .enablePositionalOptions()
    .showHelpAfterError('(add --help for the options)')
    .exitOverride();
  const [, , asked = ''] = process.argv;
  const names = Object.hasOwn(COMMANDS, asked) ? [asked] : Object.keys(COMMANDS);
  for (const name of names) (await COMMANDS[name]!())(program);
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode;
    else {
      presentError(error);
      process.exitCode = 1;
    }
  }
}

/** A broken pipe of our own output is no reason for a stack trace. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

void main();
