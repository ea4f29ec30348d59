import { join } from 'node:path';
import { writePayload } from './payload-folder';
import type { Mount } from './rootfs';
import type { KubeObject } from './types';

const TARGET = '/var/run/secrets/kubernetes.io/serviceaccount';

/** What pods reach the API with. Filled when the API server is up, before the first pod runs. */
export interface Credentials {
  token: string;
  caPem: string;
}

/** The folder with token, CA and namespace, unless the pod does not want it or mounts something there itself. */
export function serviceAccountMount(pod: KubeObject, podFolder: string, credentials: Credentials): Mount | undefined {
  if (pod.spec.automountServiceAccountToken === false) return undefined;
  const own = pod.spec.containers.some((one: any) =>
    one.volumeMounts?.some((mount: any) => mount.mountPath === TARGET),
  );
  if (own) return undefined;
  const source = join(podFolder, 'service-account');
  const file = (text: string) => ({ content: Buffer.from(text), mode: 0o644 });
  writePayload(
    source,
    new Map([
      ['token', file(credentials.token)],
      ['ca.crt', file(credentials.caPem)],
      ['namespace', file(pod.metadata.namespace ?? 'default')],
    ]),
  );
  return { source, target: TARGET, readOnly: true };
}
