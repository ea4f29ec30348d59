import { createHash } from 'node:crypto';
import { StatusError } from '../../status-error';
import type { KubeObject } from '../../types';

/** Why a port could not be reached, in the words containerd has for it. */
export function describeDialError(pod: KubeObject, port: number, error: unknown): string {
  if (error instanceof StatusError) return error.message;
  const sandbox = createHash('sha256').update(pod.metadata.uid).digest('hex');
  const code = (error as NodeJS.ErrnoException).code;
  const why = code === 'ECONNREFUSED' ? 'connection refused' : String((error as Error).message ?? error);
  return (
    `error forwarding port ${port} to pod ${sandbox}, uid : failed to execute portforward in network namespace ` +
    `"/var/run/netns/${pod.metadata.uid}": failed to connect to localhost:${port} inside namespace "${sandbox}", ` +
    `IPv4: dial tcp4 127.0.0.1:${port}: connect: ${why} IPv6 dial tcp6: address localhost: no suitable address found `
  );
}
