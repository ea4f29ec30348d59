import type { Command } from 'commander';
import { loadConfig } from '../../config/load-config';
import type { ConfigOverrides } from '../../config/types';
import { openCluster } from '../../kube/cluster';
import type { Check } from '../../kube/preflight/check';
import { runPreflight } from '../../kube/preflight/preflight';
import { takeTerminal } from '../../kube/terminal';
import { formatTable } from '../format-table';

interface DoctorFlags {
  target?: string;
  targetNamespace?: string;
  configFile?: string;
  context?: string;
  kubeconfig?: string;
  ephemeral?: boolean;
  json?: boolean;
}

/** `mirrord doctor --target deployment/x [-n ns] [-e] [--json]`; exit code 1 when something would keep a session from starting. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('Check all that a session needs of the cluster, without creating anything.')
    .option('-t, --target <path>', 'as for exec')
    .option('-n, --target-namespace <namespace>', 'namespace of the target (default: the one of the context)')
    .option('-f, --config-file <file>', 'configuration file (default: .mirrord/mirrord.json, then mirrord.json)')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--kubeconfig <file>', 'kubeconfig (default: KUBECONFIG, then ~/.kube/config)')
    .option('-e, --ephemeral', "for an agent inside the target's pod")
    .option('--json', 'one JSON object')
    .action(async (flags: DoctorFlags) => {
      const checks = await examine(flags);
      const ok = checks.every(({ status }) => status !== 'failed');
      process.stdout.write(flags.json ? `${JSON.stringify({ ok, checks })}\n` : present(checks));
      if (!ok) process.exitCode = 1;
    });
}

async function examine(flags: DoctorFlags): Promise<Check[]> {
  const { target, targetNamespace: namespace, configFile, context, kubeconfig, ephemeral } = flags;
  const overrides: ConfigOverrides = { target, namespace, configFile, context, kubeconfig };
  if (ephemeral) overrides.agent = { ephemeral };
  const { config, warnings } = loadConfig(overrides, process.env, process.cwd());
  takeTerminal();
  const cluster = await openCluster(config);
  try {
    const said = warnings.map((detail): Check => ({ name: 'config', status: 'warning', detail }));
    return [...said, ...(await runPreflight(cluster, config))];
  } finally {
    cluster.close();
  }
}

const MARKS = { ok: 'ok', warning: 'WARNING', failed: 'FAILED', skipped: 'skipped' };

function present(checks: Check[]): string {
  const table = formatTable(
    ['', 'CHECK', 'RESULT'],
    checks.map(({ name, status, detail }) => [MARKS[status], name, detail.replaceAll('\n', ' ')]),
  );
  const remedies = checks
    .filter(({ remedy }) => remedy)
    .map(({ name, detail, remedy }) => `${name}: ${detail}\n\n${remedy!.trimEnd()}\n`);
  return `${[table, ...remedies].join('\n\n')}\n`;
}
