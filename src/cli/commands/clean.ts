import type { Command } from 'commander';
import { findLeftovers, type Leftover, removeLeftover } from '../../kube/leftovers';
import { formatTable } from '../format-table';
import { type ClusterFlags, openNamedCluster } from '../open-named-cluster';

interface CleanFlags extends ClusterFlags {
  yes?: boolean;
  all?: boolean;
  namespace?: string;
  allNamespaces?: boolean;
  json?: boolean;
}

/** `mirrord clean [--yes] [--all] [-n ns | -A] [--json]` */
export function registerClean(program: Command): void {
  program
    .command('clean')
    .description('Show what agents have left in the cluster; with --yes, remove it.')
    .option('-y, --yes', 'remove it; without this, it is only shown')
    .option('--all', 'also agents of other users that run: their sessions end')
    .option('-n, --namespace <namespace>', 'default: the one of the context')
    .option('-A, --all-namespaces', 'in all namespaces')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--kubeconfig <file>', 'kubeconfig (default: KUBECONFIG, then ~/.kube/config)')
    .option('--json', 'one JSON object')
    .action(async (flags: CleanFlags) => clean(flags));
}

async function clean(flags: CleanFlags): Promise<void> {
  const cluster = await openNamedCluster(flags);
  try {
    const namespace = flags.allNamespaces
      ? undefined
      : (flags.namespace ?? process.env.MIRRORD_TARGET_NAMESPACE ?? cluster.namespace);
    const found = await findLeftovers(cluster, namespace);
    // An agent of somebody else that runs is no leftover: it may be in use, and ends by itself.
    const doomed = found.filter(({ running, own }) => flags.all || own || !running);
    if (flags.yes) for (const leftover of doomed) await removeLeftover(cluster, leftover);
    const report = found.map((leftover) => ({ ...leftover, action: actionFor(doomed.includes(leftover), flags) }));
    process.stdout.write(flags.json ? `${JSON.stringify({ items: report })}\n` : present(report, namespace, flags));
  } finally {
    cluster.close();
  }
}

type Action = 'removed' | 'would remove' | 'kept';

function actionFor(isDoomed: boolean, { yes }: CleanFlags): Action {
  if (!isDoomed) return 'kept';
  return yes ? 'removed' : 'would remove';
}

function present(report: (Leftover & { action: Action })[], namespace: string | undefined, flags: CleanFlags): string {
  const where = namespace ? `in namespace "${namespace}"` : 'in any namespace';
  if (report.length === 0) return `nothing of ours ${where}\n`;
  const rows = report.map((item) => [
    item.action,
    `${item.kind.toLowerCase()}/${item.name}`,
    item.namespace,
    item.state,
    item.user,
    item.target,
  ]);
  const hints = [
    !flags.yes && report.some(({ action }) => action === 'would remove') && 'Remove with: mirrord clean --yes',
    report.some(({ action }) => action === 'kept') && 'Agents of others that run are kept; --all takes them too.',
  ].filter(Boolean);
  return `${[formatTable(['ACTION', 'NAME', 'NAMESPACE', 'STATE', 'USER', 'TARGET'], rows), ...hints].join('\n')}\n`;
}
