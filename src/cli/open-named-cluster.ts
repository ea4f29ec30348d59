import { type Cluster, openCluster } from '../kube/cluster';
import { takeTerminal } from '../kube/terminal';

export interface ClusterFlags {
  context?: string;
  kubeconfig?: string;
}

/** The cluster of a command that reads no configuration file: flags, then the variables that sessions read too. */
export function openNamedCluster({ context, kubeconfig }: ClusterFlags, env = process.env): Promise<Cluster> {
  takeTerminal();
  return openCluster({
    kubeconfig: kubeconfig ?? env.MIRRORD_KUBECONFIG,
    context: context ?? env.MIRRORD_KUBE_CONTEXT,
    acceptInvalidCertificates: env.MIRRORD_ACCEPT_INVALID_CERTIFICATES === 'true',
  });
}
