import workerThreads from 'node:worker_threads';

/**
 * Whether Node made this thread for itself, to run module hooks. Newer versions say so; before that, such a thread shows by
 * what it is given: nothing but a lock.
 */
export function isInternalThread(isMainThread: boolean, workerData: unknown): boolean {
  if (isMainThread) return false;
  const { isInternalThread: told } = workerThreads as unknown as { isInternalThread?: boolean };
  if (typeof told === 'boolean') return told;
  if (typeof workerData !== 'object' || workerData === null) return false;
  return (
    Object.keys(workerData).join() === 'lock' && (workerData as { lock: unknown }).lock instanceof SharedArrayBuffer
  );
}
