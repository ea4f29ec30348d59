/**
 * The real worker with one thing scripted: where the agent is. The cluster and the configuration are other parts' tests.
 */
import { attachedBoot } from '../../../src/bridge/boot-attached';
import { openSession } from '../../../src/bridge/open-session';
import { serveBridge } from '../../../src/bridge/serve';
import { unpackWish } from '../../../src/bridge/wish';
import { reloadConfig } from '../../../src/config/load-config';
import { MirrordError } from '../../../src/errors';
import { dialSocket } from '../../../src/tunnel/transports/socket';
import { connectTunnel } from '../../../src/tunnel/tunnel';
import { featureOf } from './feature';
import { TOKEN } from './token';

serveBridge((start) => {
  if (start.role === 'attached') {
    return attachedBoot(start.session, {
      dialHandoff: async () => (handoff) => ({
        dial: dialSocket({ port: handoff.port }),
        isOver: async () => false,
      }),
      ownerBoot: async () => () => () => Promise.reject(new MirrordError('TARGET_MISSING', 'scripted: no target')),
      bringUpAgent: async () => () => Promise.reject(new Error('not part of these tests')),
      reloadConfig: async () => reloadConfig,
      unpackWish: async () => unpackWish,
    });
  }
  return async ({ env, progress, onConfig }) => {
    if (env.TEST_LOAD_FAIL) throw new Error('scripted failure of the configuration');
    onConfig({ startLimitMs: Number(env.TEST_START_LIMIT ?? 20_000), onFailure: 'exit' });
    if (env.TEST_FAIL) throw new Error('scripted failure');
    if (env.TEST_HANG) await new Promise(() => {});
    const dial = dialSocket({ port: Number(env.TEST_AGENT_PORT) });
    const link = await connectTunnel({ dial, token: TOKEN, clientName: 'test' });
    progress({ type: 'info', step: 'link', text: 'scripted progress' });
    const handoff = {
      kubeconfig: undefined,
      context: undefined,
      acceptInvalidCertificates: false,
      namespace: 'test',
      pod: 'agent',
      port: Number(env.TEST_AGENT_PORT),
      token: TOKEN,
      target: undefined,
    };
    return openSession({ feature: featureOf(env) }, { handle: { handoff, dial }, link }, { progress });
  };
});

if (process.env.TEST_EXIT_AFTER) setTimeout(() => process.exit(3), Number(process.env.TEST_EXIT_AFTER));
if (process.env.TEST_BLOCK_AFTER) {
  setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), Number(process.env.TEST_BLOCK_AFTER));
}
if (process.env.TEST_CRASH_AFTER) {
  setTimeout(() => {
    throw new Error('scripted crash');
  }, Number(process.env.TEST_CRASH_AFTER));
}
