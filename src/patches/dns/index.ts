import type { Patch } from '../patch';
import { installChannel } from './channel';
import { installLookup } from './lookup';
import { installLookupService } from './lookup-service';

/** Names are resolved by the pod: its hosts file, its search list, its name servers. */
export const dnsPatch: Patch = {
  name: 'dns',
  install(context) {
    const undos = [installLookup(context), installLookupService(context), installChannel(context)];
    return () => {
      for (const undo of undos.reverse()) undo();
    };
  },
};
