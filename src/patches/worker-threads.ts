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
    const { Worker } = workerThreads;
    const proxy = new Proxy(Worker, {
      construct(target, args: unknown[], newTarget) {
        const [filename, options, ...rest] = args;
        const env = (options as { env?: unknown } | undefined)?.env ?? process.env;
        // SHARE_ENV is a symbol: the thread lives with the environment, and the options, of this one.
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
