#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { VERSION } from '../version';
import { registerClean } from './commands/clean';
import { registerDoctor } from './commands/doctor';
import { registerExec } from './commands/exec';
import { registerLs } from './commands/ls';
import { registerPlayground } from './commands/playground';
import { presentError } from './present-error';

/** Node refuses flags after a removed parent too; a broken pipe of our own output is no reason for a stack trace. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const program = new Command('mirrord')
  .description('Run a Node.js app on this machine with the environment, files, DNS and network of a pod.')
  .version(VERSION)
  .enablePositionalOptions()
  .showHelpAfterError('(add --help for the options)')
  .exitOverride();

registerExec(program);
registerLs(program);
registerDoctor(program);
registerClean(program);
registerPlayground(program);

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    presentError(error);
    process.exitCode = 1;
  }
}
