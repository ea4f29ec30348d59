import type { Bridge } from '../bridge/bridge';
import type { ReadyData } from '../bridge/messages';
import { defaultFeature } from '../config/defaults';
import { installRuntime } from './runtime';

/**
 * Puts the patches in and takes them back, with a session that is not there, while the real one is being started: what runs for
 * the first time is compiled and loaded now, and the app waits for it no more once the session is up. Nothing of the app runs
 * meanwhile, and what fails here fails again where it is told.
 */
export function rehearse(bridge: Bridge, registerPath: string): void {
  const ready: ReadyData = {
    target: undefined,
    info: {
      agentVersion: '',
      nodeVersion: '',
      hostname: '',
      targeted: true,
      families: { ipv4: true, ipv6: true },
      targetPid: 0,
    },
    feature: defaultFeature(),
    podEnv: {},
    relayPort: 0,
    session: '',
  };
  try {
    installRuntime(bridge, ready, registerPath)();
  } catch {
    // As said above.
  }
}
