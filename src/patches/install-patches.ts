import module from 'node:module';
import net from 'node:net';
import type { PatchContext } from '../runtime/verdict';
import { childProcessPatch } from './child-process';
import { dnsPatch } from './dns/index';
import { fsPatch } from './fs/index';
import { osPatch } from './os';
import type { Patch, Undo } from './patch';
import { tcpPatch } from './tcp/index';
import { workerThreadsPatch } from './worker-threads';

/**
 * On a core object and registered: a second copy of this code (another bundle, a Jest sandbox with its own globals) finds
 * it, as core modules are the same objects everywhere in a thread.
 */
const INSTALLED = Symbol.for('mirrord.patches');

/** Files come last: until then our own start-up reads what it needs without a detour. */
const PATCHES: readonly Patch[] = [tcpPatch, dnsPatch, osPatch, childProcessPatch, workerThreadsPatch, fsPatch];

/**
 * Puts the patches in. Once per thread: a further call changes nothing and its undo does nothing.
 *
 * @returns takes them back in reverse order, each only where what stands there is still ours.
 */
export function installPatches(context: PatchContext): Undo {
  if (Object.hasOwn(net, INSTALLED)) return () => {};
  const undos: Undo[] = [];
  for (const patch of PATCHES) {
    try {
      undos.push(patch.install(context));
    } catch (error) {
      // One module that cannot be patched (a policy, an unknown Node) costs that feature, not the app.
      context.log('patches', `${patch.name} left alone: ${String(error)}`);
    }
  }
  Object.defineProperty(net, INSTALLED, { value: true, configurable: true });
  module.syncBuiltinESMExports();
  let done = false;
  return () => {
    if (done) return;
    done = true;
    for (const undo of undos.reverse()) undo();
    Reflect.deleteProperty(net, INSTALLED);
    module.syncBuiltinESMExports();
  };
}
