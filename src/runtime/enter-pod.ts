import type { Bridge } from '../bridge/bridge';
import type { ReadyData, StartInput } from '../bridge/messages';
import { setActiveSession } from './active-session';
import { closeOnExit } from './close-on-exit';
import { environmentChange } from './env-file';
import { applyChange, NO_CHANGE } from './environment';
import { createChildAccess, inheritedVariables } from './inherit';
import { installRuntime } from './runtime';

export { rehearse } from './rehearse';

/** With a session that is up: gives this process the pod's variables and puts the patches in. All or, when it throws, nothing. */
export function enterPod(bridge: Bridge, ready: ReadyData, start: StartInput, registerPath: string): void {
  const undos: (() => void)[] = [];
  try {
    const change = start.role === 'owner' ? environmentChange(ready, start.cwd) : NO_CHANGE;
    undos.push(applyChange(change, process.env));
    const children = createChildAccess(ready.session, registerPath);
    undos.push(applyChange({ set: inheritedVariables(children.inherit(process.env)), unset: [] }, process.env));
    installRuntime(bridge, ready, registerPath);
    closeOnExit(bridge);
    setActiveSession({ origin: 'preload', ready, env: change.set });
  } catch (error) {
    for (const undo of undos.reverse()) undo();
    bridge.closeSync(1_000);
    throw error;
  }
}
