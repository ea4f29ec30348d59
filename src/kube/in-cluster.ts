import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChosenContext } from './kubeconfig';

const FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Access by the service account of the pod this process runs in; undefined outside a cluster. */
export function inClusterContext(env: NodeJS.ProcessEnv, folder = FOLDER): ChosenContext | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  const token = join(folder, 'token');
  if (!host || !port || !existsSync(token)) return undefined;
  const namespaceFile = join(folder, 'namespace');
  return {
    name: 'in-cluster',
    namespace: existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : undefined,
    cluster: {
      server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
      'certificate-authority': join(folder, 'ca.crt'),
    },
    user: { tokenFile: token },
  };
}
