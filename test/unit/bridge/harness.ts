import { afterAll, afterEach, beforeAll } from 'vitest';
import { Bridge, type BridgeOptions } from '../../../src/bridge/bridge';
import { type AgentThread, startAgentThread } from '../../support/bridge/agent-thread';
import { type Bundles, buildBundles } from '../../support/bridge/bundles';

export interface BridgeWorld {
  readonly bundles: Bundles;
  readonly agent: AgentThread;
  /** Closed after the test. */
  create(env?: NodeJS.ProcessEnv, options?: Partial<BridgeOptions>): Bridge;
  start(env?: NodeJS.ProcessEnv, options?: Partial<BridgeOptions>): Promise<Bridge>;
}

/** Builds the bundles and starts the scripted agent for the tests of one file. */
export function useBridges(podEnv?: { FROM_POD: string }): BridgeWorld {
  const bridges: Bridge[] = [];
  let bundles: Bundles;
  let agent: AgentThread;
  beforeAll(async () => {
    bundles = await buildBundles();
    agent = await startAgentThread(bundles.agent, podEnv);
  });
  afterAll(async () => {
    await agent?.close();
    bundles?.remove();
  });
  afterEach(async () => {
    await Promise.all(bridges.splice(0).map((bridge) => bridge.close(500)));
  });
  const create: BridgeWorld['create'] = (env = {}, options = {}) => {
    const bridge = new Bridge({
      workerPath: bundles.worker,
      start: { role: 'owner', overrides: {}, cwd: process.cwd(), progress: 'off' },
      env: { ...process.env, TEST_AGENT_PORT: String(agent.port), ...env },
      ...options,
    });
    bridges.push(bridge);
    return bridge;
  };
  return {
    get bundles() {
      return bundles;
    },
    get agent() {
      return agent;
    },
    create,
    async start(env, options) {
      const bridge = create(env, options);
      await bridge.start();
      return bridge;
    },
  };
}
