import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { MirrordError } from '../../errors';
import { diagnosePlayground } from '../../playground/doctor';
import { startDetached, startInForeground, stopPlayground } from '../playground-control';
import { readState, stateFolder } from '../playground-state';

interface StartFlags {
  detach?: boolean;
  kubeconfig?: string;
  rootless?: boolean;
  json?: boolean;
}

/** `mirrord playground start|stop|status|kubeconfig|doctor` */
export function registerPlayground(program: Command): void {
  const playground = program
    .command('playground')
    .description('An embedded one-node cluster on Linux namespaces: real pods, no Kubernetes and no root needed.');

  playground
    .command('start')
    .description('Start it; stays in the foreground unless --detach is given.')
    .option('--detach', 'go to the background when it is ready')
    .option('--kubeconfig <file>', 'where to write the kubeconfig (default: in the state folder)')
    .option('--rootless', 'use a user namespace even as root')
    .action(async (flags: StartFlags) => {
      if (flags.detach) await startDetached(flags);
      else process.exitCode = await startInForeground(flags);
    });

  playground
    .command('stop')
    .description('Stop it and remove everything it made.')
    .action(async () => {
      const stopped = await stopPlayground();
      process.stderr.write(stopped ? 'playground stopped\n' : 'no playground is running\n');
    });

  playground
    .command('status')
    .description('Whether it runs, and where.')
    .option('--json', 'one JSON object')
    .action((flags: { json?: boolean }) => {
      const state = readState();
      if (flags.json) process.stdout.write(`${JSON.stringify({ running: !!state, ...state })}\n`);
      else if (state)
        process.stdout.write(`running: ${state.server}, process ${state.pid}, kubeconfig ${state.kubeconfig}\n`);
      else process.stdout.write('not running\n');
      if (!state) process.exitCode = 3;
    });

  playground
    .command('kubeconfig')
    .description('Print the kubeconfig of the running playground.')
    .action(() => {
      const state = readState();
      if (!state) {
        throw new MirrordError('PLAYGROUND_NOT_RUNNING', `no playground is running (looked in ${stateFolder()})`, {
          hint: 'Start one: mirrord playground start --detach',
        });
      }
      process.stdout.write(readFileSync(state.kubeconfig, 'utf8'));
    });

  playground
    .command('doctor')
    .description('Say what this machine lacks for the playground, and the line that mends it.')
    .option('--json', 'one JSON object')
    .action(async (flags: { json?: boolean }) => {
      const report = await diagnosePlayground();
      if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
      else for (const check of report.checks) process.stdout.write(describe(check));
      if (!report.ok) process.exitCode = 1;
    });
}

function describe(check: { name: string; ok: boolean; detail: string; remedy?: string }): string {
  const remedy = check.ok || !check.remedy ? '' : `\n       ${check.remedy}`;
  return `${check.ok ? 'ok    ' : 'FAILED'} ${check.name}: ${check.detail}${remedy}\n`;
}
