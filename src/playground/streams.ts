import { Readable } from 'node:stream';
import type { ContainerWorker } from './container-worker';
import { DialError } from './dialer';
import { ExecError, execInContainer } from './exec';
import type { Kubelet } from './kubelet';
import type { PodWorker } from './pod-worker';
import { StatusError } from './status-error';
import type { NodeStreams } from './types';

/** What the kubelet serves to the API server's streaming endpoints. */
export function createStreams(kubelet: Kubelet): NodeStreams {
  const podWorker = (namespace: string, pod: string): PodWorker => {
    const worker = kubelet.worker(namespace, pod);
    if (!worker) throw new StatusError(500, 'InternalError', `pod ${pod}_${namespace} is not running on this node`);
    return worker;
  };
  const running = (namespace: string, pod: string, name: string) => {
    const worker = podWorker(namespace, pod).container(name);
    if (!worker?.container) throw new StatusError(500, 'InternalError', `container not found ("${name}")`);
    return { worker, container: worker.container };
  };
  return {
    async exec(namespace, pod, name, options) {
      const { container } = running(namespace, pod, name);
      try {
        return await execInContainer(container, options);
      } catch (error) {
        if (!(error instanceof ExecError)) throw error;
        const detail = `failed to exec in container: failed to start exec "${container.id}": OCI runtime exec failed: exec failed: unable to start container process: ${error.message}`;
        throw new StatusError(
          500,
          'InternalError',
          `Internal error occurred: error executing command in container: ${detail}`,
        );
      }
    },
    async attach(namespace, pod, name, options) {
      const { worker, container } = running(namespace, pod, name);
      return {
        stdin: options.stdin ? (container.stdin ?? null) : null,
        stdout: worker.log.read({ follow: true, previous: false, timestamps: false, tailLines: 0 }),
        stderr: options.tty ? null : Readable.from([]),
        exit: container.exited.then(({ code }) => code),
        resize: () => {},
        // Leaving an attached container does not end it.
        kill: () => {},
      };
    },
    async logs(namespace, pod, name, options) {
      const worker = podWorker(namespace, pod).container(name);
      if (!worker) throw new StatusError(400, 'BadRequest', `container ${name} is not valid for pod ${pod}`);
      if (options.previous) {
        if (!worker.previousLog) {
          throw new StatusError(400, 'BadRequest', `previous terminated container "${name}" in pod "${pod}" not found`);
        }
        return worker.previousLog.read({ ...options, follow: false });
      }
      const waiting = waitingText(worker);
      if (waiting)
        throw new StatusError(400, 'BadRequest', `container "${name}" in pod "${pod}" is waiting to start: ${waiting}`);
      return worker.log.read(options);
    },
    async dial(namespace, pod, port) {
      const worker = podWorker(namespace, pod);
      if (!worker.dialer) throw new StatusError(500, 'InternalError', `pod not found ("${pod}_${namespace}")`);
      try {
        return await worker.dialer.dial(port, worker.id);
      } catch (error) {
        if (error instanceof DialError) throw new StatusError(500, 'InternalError', error.message);
        throw error;
      }
    },
  };
}

/** Why a container that never ran has no log, in the kubelet's words; undefined when it has one. */
function waitingText(worker: ContainerWorker): string | undefined {
  if (worker.hasRun) return undefined;
  const reason = worker.waitingReason;
  if (reason === 'ErrImagePull') return "image can't be pulled";
  if (reason === 'ImagePullBackOff') return 'trying and failing to pull image';
  return reason ?? 'ContainerCreating';
}
