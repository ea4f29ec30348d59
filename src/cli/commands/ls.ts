import type { Command } from 'commander';
import { type ListedTarget, listTargets } from '../../kube/targets/list-targets';
import { openNamedCluster } from '../open-named-cluster';

interface LsFlags {
  namespace?: string;
  allNamespaces?: boolean;
  context?: string;
  kubeconfig?: string;
  json?: boolean;
}

/** `mirrord ls [-n ns | -A] [--json]` */
export function registerLs(program: Command): void {
  program
    .command('ls')
    .description('List what can be a target: pods that are ready, and workloads that have some.')
    .option('-n, --namespace <namespace>', 'namespace (default: the one of the context)')
    .option('-A, --all-namespaces', 'all namespaces')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--kubeconfig <file>', 'kubeconfig (default: KUBECONFIG, then ~/.kube/config)')
    .option('--json', 'as JSON')
    .action(list);
}

async function list(flags: LsFlags): Promise<void> {
  const cluster = await openNamedCluster(flags);
  try {
    const named = flags.namespace ?? process.env.MIRRORD_TARGET_NAMESPACE ?? cluster.namespace;
    const namespace = flags.allNamespaces ? undefined : named;
    const { targets, skipped } = await listTargets({ cluster, namespace });
    if (flags.json) process.stdout.write(`${JSON.stringify(targets, undefined, 2)}\n`);
    else process.stdout.write(targets.length > 0 ? table(targets, flags.allNamespaces === true) : '');
    for (const { why } of skipped) process.stderr.write(`mirrord: left out: ${why}\n`);
    if (targets.length === 0 && !flags.json) {
      const where = namespace === undefined ? 'any namespace' : `namespace "${namespace}"`;
      process.stderr.write(`mirrord: nothing is ready in ${where} (context "${cluster.contextName}")\n`);
    }
  } finally {
    cluster.close();
  }
}

function table(targets: ListedTarget[], withNamespace: boolean): string {
  const rows = targets.map((target) => [
    ...(withNamespace ? [target.namespace] : []),
    target.path,
    target.kind === 'service' ? '-' : `${target.ready}/${target.wanted}`,
    target.containers.join(',') || '-',
  ]);
  const lines = [[...(withNamespace ? ['NAMESPACE'] : []), 'TARGET', 'READY', 'CONTAINERS'], ...rows];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('');
}
