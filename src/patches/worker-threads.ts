import workerThreads from 'node:worker_threads';
import { copyEnvironment, inheritInto } from './child-environment';
import type { Patch } from './patch';

/**
 * Worker threads of the app join the session, whatever their `env` and `execArgv`. Node reads NODE_OPTIONS for a thread only
 * if `env` or `execArgv` is given, so the copy of the environment that a thread gets by default is made here. A proxy keeps what code can see of the class: name, statics, `instanceof`, `extends`.
 */
export const workerThreadsPatch: Patch = {
  name: 'worker_threads',
  install({ children }) {
    const { Worker, SHARE_ENV } = workerThreads;
    const proxy = new Proxy(Worker, {
      construct(target, args: unknown[], newTarget) {
        const [filename, options, ...rest] = args;
        const env = (options as { env?: unknown } | undefined)?.env ?? process.env;
        if (env === SHARE_ENV) return constructSharing(target, args, newTarget);
        if (typeof env !== 'object') return Reflect.construct(target, args, newTarget);
        const inherited = inheritInto(children, copyEnvironment({ ...env }));
        return Reflect.construct(target, [filename, { ...(options as object), env: inherited }, ...rest], newTarget);
      },
    });
    const named = Object.getOwnPropertyDescriptor(Worker.prototype, 'constructor')!;
    Object.defineProperty(Worker.prototype, 'constructor', { ...named, value: proxy });
    const descriptor = Object.getOwnPropertyDescriptor(workerThreads, 'Worker')!;
    Object.defineProperty(workerThreads, 'Worker', { ...descriptor, value: proxy });
    return () => {
      if (workerThreads.Worker !== proxy) return;
      Object.defineProperty(workerThreads, 'Worker', descriptor);
      Object.defineProperty(Worker.prototype, 'constructor', named);
    };
  },
};

/**
 * The environment is this thread's own, which has what it takes to join; but it is read for NODE_OPTIONS only where `execArgv`
 * is given, so the one that a thread gets by default is given.
 */
function constructSharing(target: typeof workerThreads.Worker, args: unknown[], newTarget: Function): object {
  const [filename, options, ...rest] = args as [unknown, { execArgv?: string[] }];
  if (options.execArgv !== undefined) return Reflect.construct(target, args, newTarget);
  try {
    return Reflect.construct(target, [filename, { ...options, execArgv: process.execArgv }, ...rest], newTarget);
  } catch (error) {
    // Flags of a whole process are inherited in silence and refused when they are given.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_INVALID_EXEC_ARGV') throw error;
    return Reflect.construct(target, args, newTarget);
  }
}
