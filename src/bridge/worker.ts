import type { Boot } from './boot';
import type { WithoutOwner } from './boot-attached';
import type { StartInput } from './messages';
import { serveBridge } from './serve';

const withoutOwner: WithoutOwner = {
  dialHandoff: async () => (await import('../kube/dial-handoff')).dialHandoff,
  ownerBoot: async () => (await import('./boot-owner')).ownerBoot,
  bringUpAgent: async () => (await import('./bring-up')).bringUpAgent,
  reloadConfig: async () => (await import('../config/load-config')).reloadConfig,
  unpackWish: async () => (await import('./wish')).unpackWish,
};

/** Entry of the worker's bundle. What only one of the two roles needs is loaded by that one alone: a start has to be quick. */
serveBridge((start) => (start.role === 'owner' ? lazyOwner(start) : lazyAttached(start.session)));

function lazyAttached(session: string): Boot {
  return async (context) => {
    const { attachedBoot } = await import('./boot-attached');
    return attachedBoot(session, withoutOwner)(context);
  };
}

function lazyOwner({ overrides, ...options }: Extract<StartInput, { role: 'owner' }>): Boot {
  return async (context) => {
    const { ownerBoot } = await import('./boot-owner');
    return ownerBoot(overrides, options)(context);
  };
}
