import { homedir, tmpdir } from 'node:os';
import { dirname, isAbsolute } from 'node:path';
import type { Bridge } from '../bridge/bridge';
import type { ReadyData } from '../bridge/messages';
import { log } from '../log';
import { installPatches } from '../patches/install-patches';
import { createFilePolicy } from './files';
import { createIncomingPolicy } from './incoming';
import { createChildAccess } from './inherit';
import { createListenerRegistry } from './listeners';
import { createOutgoingPolicy, isInspector } from './outgoing';
import { createResolverPolicy } from './resolve';
import type { AgentCalls, PatchContext } from './verdict';

/**
 * Wires the patches to the session: the one place that knows both. The answer takes the patches back, in reverse.
 *
 * @throws MirrordError when a rule of the configuration does not compile
 */
export function installRuntime(bridge: Bridge, ready: ReadyData, registerPath: string): () => void {
  return installPatches(createContext(bridge, ready, registerPath));
}

function createContext(bridge: Bridge, ready: ReadyData, registerPath: string): PatchContext {
  const { feature, target, info, relayPort } = ready;
  const { outgoing, dns } = feature.network;
  const folder = sessionFolder(ready.session);
  const listeners = createListenerRegistry(folder);
  const calls: AgentCalls = {
    call: (method, params) => bridge.call(method, params),
    callSync: (method, params) => bridge.callSync(method, params),
  };
  const alive = { hold: () => bridge.hold(), release: () => bridge.release() };
  const resolver = createResolverPolicy({ dns, outgoingFilter: outgoing.filter });
  const outgoingPolicy = createOutgoingPolicy({
    outgoing,
    isOwnPort: (port) => port === relayPort,
    isOwnListener: listeners.has,
    nameOf: resolver.nameOf,
  });
  const files = createFilePolicy({
    fs: feature.fs,
    volumeMounts: target?.volumeMounts ?? [],
    cwd: process.cwd(),
    home: homedir(),
    tmpdir: tmpdir(),
    execPath: process.execPath,
    platform: process.platform,
  });
  return {
    files: { ...calls, ...files },
    outgoing: {
      ...alive,
      ...outgoingPolicy,
      relayPort,
      connect: (address, done) => bridge.connect(address, done),
      announce: (id, port, address) => bridge.announce(id, port, address),
    },
    resolver: { ...calls, ...alive, ...resolver, families: info.families },
    children: createChildAccess(ready.session, registerPath),
    listeners,
    incoming: info.targeted
      ? createIncomingPolicy({
          incoming: feature.network.incoming,
          declaredPorts: target?.ports ?? [],
          isListed: listeners.has,
          isInspector,
          folder,
          bridge,
        })
      : undefined,
    hostname: feature.hostname && info.targeted ? info.hostname : undefined,
    log,
  };
}

/** The folder of the control socket, which belongs to the session alone. A Windows pipe has none. */
function sessionFolder(session: string): string | undefined {
  // What follows the path has no separator in it.
  return isAbsolute(session) && !session.startsWith('\\\\.\\pipe') ? dirname(session) : undefined;
}
