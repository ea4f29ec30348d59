import { existsSync } from 'node:fs';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { MirrordError } from '../errors';
import type { StartInput, WorkerInput } from './messages';
import { createSharedMemory, type SharedMemory } from './shared-memory';

export interface SpawnedWorker {
  worker: Worker;
  memory: SharedMemory;
  replies: MessagePort;
}

/**
 * Starts the worker. It gets no preload of the app (`execArgv: []`, no NODE_OPTIONS), stays dormant should one load all the
 * same, and so do the programs it starts, such as credential plug-ins. Throws WORKER_MISSING.
 */
export function spawnWorker(path: string, start: StartInput, env: NodeJS.ProcessEnv): SpawnedWorker {
  if (!existsSync(path)) {
    throw new MirrordError('WORKER_MISSING', `the worker's file ${path} does not exist`, {
      hint: 'The installation is incomplete: install the package again.',
    });
  }
  const memory = createSharedMemory();
  const { port1, port2 } = new MessageChannel();
  const workerData: WorkerInput = { memory: memory.buffer, replies: port2, start };
  const worker = new Worker(path, {
    name: 'mirrord',
    workerData,
    transferList: [port2],
    execArgv: [],
    // With V8's own 48 MB most of what idle connections take is garbage that nobody had to collect yet.
    resourceLimits: { maxYoungGenerationSizeMb: 12 },
    env: workerEnv(env),
    // Not passed on to the app's streams: what is for people goes to descriptor 2 directly.
    stdout: true,
    stderr: true,
  });
  worker.unref();
  port1.unref();
  return { worker, memory, replies: port1 };
}

/** What the worker sees of the environment. */
export function workerEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_OPTIONS, MIRRORD_SESSION, ...rest } = env;
  return { ...rest, MIRRORD_DISABLE: '1' };
}
