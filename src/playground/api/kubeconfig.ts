import { dump } from 'js-yaml';

export interface KubeconfigInput {
  caPem: string;
  token: string;
  port: number;
  /** Namespace of the context; `default` when left out. */
  namespace?: string;
}

/** A kubeconfig with one context, `playground`. Holds the token: write it with mode 0600. */
export function kubeconfigFor({ caPem, token, port, namespace = 'default' }: KubeconfigInput): string {
  const name = 'playground';
  return dump({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name,
        cluster: {
          server: `https://127.0.0.1:${port}`,
          'certificate-authority-data': Buffer.from(caPem).toString('base64'),
        },
      },
    ],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace } }],
    'current-context': name,
  });
}
