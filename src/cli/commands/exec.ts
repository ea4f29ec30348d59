import type { Command } from 'commander';
import type { ConfigOverrides } from '../../config/types';
import { startOwner } from '../../session/start-owner';
import { chooseProgressMode, createProgress } from '../progress';
import { runChild } from '../run-child';

interface ExecFlags {
  target?: string;
  targetNamespace?: string;
  configFile?: string;
  context?: string;
  kubeconfig?: string;
  ephemeral?: boolean;
}

/** `mirrord exec --target deployment/x [-n ns] [-f config] -- command…` */
export function registerExec(program: Command): void {
  program
    .command('exec')
    .description('Run a command in the context of a pod: its environment, files, DNS and outgoing traffic.')
    .option(
      '-t, --target <path>',
      'KIND/NAME such as deployment/web, with /container/NAME where it has several; see mirrord ls',
    )
    .option('-n, --target-namespace <namespace>', 'namespace of the target (default: the one of the context)')
    .option('-f, --config-file <file>', 'configuration file (default: .mirrord/mirrord.json, then mirrord.json)')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--kubeconfig <file>', 'kubeconfig (default: KUBECONFIG, then ~/.kube/config)')
    .option('-e, --ephemeral', "run the agent as a container inside the target's pod instead of a Job beside it")
    .argument('<command...>', 'what to run, after --')
    .passThroughOptions()
    .action(async (command: string[], flags: ExecFlags) => {
      process.exitCode = await execute(command, flags);
    });
}

async function execute(command: string[], flags: ExecFlags): Promise<number> {
  const progress = createProgress(chooseProgressMode(process.env, process.stderr));
  const owner = await startOwner(toOverrides(flags), { progress, terminal: true, signal: abortOnSignals() });
  try {
    const env: NodeJS.ProcessEnv = { ...process.env, ...owner.env };
    for (const name of owner.unset) delete env[name];
    return await runChild(command, env);
  } finally {
    await owner.close();
  }
}

function toOverrides(flags: ExecFlags): ConfigOverrides {
  const overrides: ConfigOverrides = {};
  if (flags.target !== undefined) overrides.target = flags.target;
  if (flags.targetNamespace !== undefined) overrides.namespace = flags.targetNamespace;
  if (flags.configFile !== undefined) overrides.configFile = flags.configFile;
  if (flags.context !== undefined) overrides.context = flags.context;
  if (flags.kubeconfig !== undefined) overrides.kubeconfig = flags.kubeconfig;
  if (flags.ephemeral) overrides.agent = { ephemeral: true };
  return overrides;
}

/** Ctrl-C during a start ends the start, which removes what it had created; a second one ends us at once. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => controller.abort(new Error(`stopped by ${signal}`)));
  }
  return controller.signal;
}
