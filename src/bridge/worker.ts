import { attachedBoot } from './boot-attached';
import type { Boot } from './boot';
import { serveBridge } from './serve';

/** Entry of the worker's bundle. What only an owner needs is loaded by owners only: an attached process has to be quick. */
serveBridge((start) => (start.role === 'attached' ? attachedBoot(start.session) : lazyOwner(start.overrides)));

function lazyOwner(overrides: Parameters<typeof import('./boot-owner').ownerBoot>[0]): Boot {
  return async (context) => {
    const { ownerBoot } = await import('./boot-owner');
    return ownerBoot(overrides)(context);
  };
}
