import type { Boot } from './boot';
import { attachedBoot, type WithoutOwner } from './boot-attached';
import type { StartInput } from './messages';
import { serveBridge } from './serve';

const withoutOwner: WithoutOwner = {
  dialHandoff: async () => (await import('../kube/dial-handoff')).dialHandoff,
  ownerBoot: async () => (await import('./boot-owner')).ownerBoot,
  bringUpAgent: async () => (await import('./bring-up')).bringUpAgent,
};

/** Entry of the worker's bundle. What only an owner needs is loaded by owners only: an attached process has to be quick. */
serveBridge((start) => (start.role === 'owner' ? lazyOwner(start) : attachedBoot(start.session, withoutOwner)));

function lazyOwner({ overrides, ...options }: Extract<StartInput, { role: 'owner' }>): Boot {
  return async (context) => {
    const { ownerBoot } = await import('./boot-owner');
    return ownerBoot(overrides, options)(context);
  };
}
