import type { Patch } from '../patch';
import { installAddresses } from './addresses';
import { raiseAttemptTimeout } from './attempt-timeout';
import { installBind } from './bind';
import { installConnect } from './connect';
import { captureNatives, findTcpPrototype } from './handle';
import { installListen } from './listen';

/**
 * Outgoing TCP at the prototype of Node's TCP handles: the one place that net, tls, http, http2, fetch and every client
 * library built on them pass, whichever way they got hold of `connect`.
 */
export const tcpPatch: Patch = {
  name: 'net',
  install(context) {
    const prototype = findTcpPrototype();
    const native = captureNatives(prototype);
    const sources = installBind(prototype, native);
    const addresses = installAddresses(prototype);
    const undos = [
      sources.undo,
      addresses.undo,
      installConnect(prototype, context, { native, sources, addresses }),
      installListen(prototype, context, { native, sources }),
      raiseAttemptTimeout(),
    ];
    return () => {
      for (const undo of undos.reverse()) undo();
    };
  },
};
