import type { Patch } from '../patch';
import { installAccepted } from './accepted';
import { installAddresses } from './addresses';
import { raiseAttemptTimeout } from './attempt-timeout';
import { installBind } from './bind';
import { installConnect } from './connect';
import { captureNatives, findTcp } from './handle';
import { installListen } from './listen';
import { installServerPorts } from './server-ports';

/**
 * Outgoing TCP at the prototype of Node's TCP handles: the one place that net, tls, http, http2, fetch and every client
 * library built on them pass, whichever way they got hold of `connect`.
 */
export const tcpPatch: Patch = {
  name: 'net',
  install(context) {
    const { prototype, socketType } = findTcp();
    const native = captureNatives(prototype);
    const sources = installBind(prototype, { native, socketType });
    const addresses = installAddresses(prototype);
    const servers = installServerPorts(prototype, context, { native, socketType });
    const undos = [
      sources.undo,
      addresses.undo,
      servers.undo,
      installAccepted(prototype, context, { native, servers }),
      installConnect(prototype, context, { native, sources, addresses, servers }),
      installListen(prototype, context, { native, sources, servers }),
      raiseAttemptTimeout(),
    ];
    return () => {
      for (const undo of undos.reverse()) undo();
    };
  },
};
