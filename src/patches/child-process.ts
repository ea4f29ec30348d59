import childProcess, { ChildProcess } from 'node:child_process';
import type { ChildAccess } from '../runtime/verdict';
import { copyEnvironment, inheritInto, inheritIntoPairs } from './child-environment';
import type { Patch, Undo } from './patch';
import { wrapMethod } from './wrap';

interface SpawnOptions {
  envPairs?: string[];
}

/**
 * Children join the session, whatever environment and `execArgv` they are started with. `spawn`, `exec`, `execFile` and
 * `fork` meet in `ChildProcess.prototype.spawn`; the synchronous three share nothing that can be reached and are wrapped
 * one by one.
 */
export const childProcessPatch: Patch = {
  name: 'child_process',
  install({ children }) {
    const undos = [
      wrapMethod(
        ChildProcess.prototype as unknown as { spawn(options: SpawnOptions): number },
        'spawn',
        (spawn) =>
          function (this: ChildProcess, ...args: [SpawnOptions, ...unknown[]]) {
            const [options, ...rest] = args;
            // Anything else is refused by Node. No pairs at all means the environment of this process.
            if (!Array.isArray(options?.envPairs)) return Reflect.apply(spawn, this, args);
            const envPairs = inheritIntoPairs(children, options.envPairs);
            return Reflect.apply(spawn, this, [{ ...options, envPairs }, ...rest]);
          },
      ),
      wrapSync('spawnSync', children),
      wrapSync('execFileSync', children),
      wrapSync('execSync', children),
    ];
    return () => {
      for (const undo of undos) undo();
    };
  },
};

function wrapSync(name: 'spawnSync' | 'execFileSync' | 'execSync', children: ChildAccess): Undo {
  return wrapMethod(
    childProcess,
    name,
    (original) =>
      function (this: unknown, ...args: unknown[]) {
        return Reflect.apply(original, this, withInheritedEnv(args, name === 'execSync', children));
      },
  );
}

/** `(file, args?, options?)`, or `(command, options?)`. Arguments that Node will refuse stay as they are. */
function withInheritedEnv(args: unknown[], isCommand: boolean, children: ChildAccess): unknown[] {
  const hasList = !isCommand && (args.length < 2 || args[1] == null || Array.isArray(args[1]));
  const index = isCommand || !hasList ? 1 : 2;
  const options = args[index] ?? {};
  if (typeof options !== 'object') return args;
  const { env } = options as { env?: unknown };
  if (env != null && typeof env !== 'object') return args;
  const inherited = inheritInto(children, copyEnvironment(env ?? process.env));
  const changed = [...args];
  changed[index] = { ...options, env: inherited };
  return changed;
}
