import { StartFailure } from '../bridge/await-start';
import { Bridge } from '../bridge/bridge';
import type { StartInput } from '../bridge/messages';
import type { ConfigOverrides } from '../config/types';
import { MirrordError } from '../errors';
import { type ActiveSession, activeSession, setActiveSession } from '../runtime/active-session';
import type { BundlePaths } from '../runtime/bundle-paths';
import { closeOnExit } from '../runtime/close-on-exit';
import { environmentChange } from '../runtime/env-file';
import { applyChange, NO_CHANGE } from '../runtime/environment';
import { createChildAccess, inheritedVariables } from '../runtime/inherit';
import { installRuntime } from '../runtime/runtime';
import type { Session } from './session';

// Node 20 knows the symbol; a runtime without it would file the method under "undefined".
const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose');

/**
 * Gives this process the world of the pod until the session is closed. Where the preload has done that already, the answer
 * is a handle on its session. A process whose parent has a session joins that one, unless `overrides` names a target.
 *
 * @throws MirrordError SESSION_ACTIVE, and all that can go wrong with the configuration, the cluster, the agent
 */
export async function startSession(overrides: ConfigOverrides, paths: BundlePaths): Promise<Session> {
  const active = activeSession();
  if (active !== undefined && active !== 'starting' && active.origin === 'preload') return handleOn(active);
  if (active !== undefined) {
    throw new MirrordError('SESSION_ACTIVE', 'this process has a session, or is starting one', {
      hint: 'Await close() of the first session before starting another one.',
    });
  }
  setActiveSession('starting');
  try {
    return await start(overrides, paths);
  } catch (error) {
    setActiveSession(undefined);
    throw error instanceof StartFailure ? error.cause : error;
  }
}

async function start(overrides: ConfigOverrides, paths: BundlePaths): Promise<Session> {
  const input = startInput(overrides);
  const bridge = new Bridge({ workerPath: paths.worker, start: input, env: process.env });
  const ready = await bridge.start();
  const undos: (() => void)[] = [];
  const undoAll = () => {
    for (const undo of undos.splice(0).reverse()) undo();
  };
  try {
    const change = input.role === 'owner' ? environmentChange(ready, input.cwd) : NO_CHANGE;
    undos.push(applyChange(change, process.env));
    const children = createChildAccess(ready.session, paths.register);
    undos.push(applyChange({ set: inheritedVariables(children.inherit(process.env)), unset: [] }, process.env));
    undos.push(installRuntime(bridge, ready, paths.register));
    undos.push(closeOnExit(bridge));
    const session: ActiveSession = { origin: 'api', ready, env: change.set };
    setActiveSession(session);
    let closing: Promise<void> | undefined;
    return toSession(session, () => {
      closing ??= (async () => {
        undoAll();
        await bridge.close();
        setActiveSession(undefined);
      })();
      return closing;
    });
  } catch (error) {
    undoAll();
    await bridge.close();
    throw error;
  }
}

function startInput(overrides: ConfigOverrides): StartInput {
  const cwd = process.cwd();
  const session = process.env.MIRRORD_SESSION;
  if (session && overrides.target === undefined) return { role: 'attached', session, cwd, progress: 'warnings' };
  return { role: 'owner', overrides, cwd, progress: 'warnings' };
}

function handleOn(session: ActiveSession): Session {
  return toSession(session, async () => {});
}

function toSession({ ready, env }: ActiveSession, close: () => Promise<void>): Session {
  return {
    env: { ...env },
    target: ready.target,
    hostname: ready.info.hostname,
    close,
    [asyncDispose]: close,
  };
}
