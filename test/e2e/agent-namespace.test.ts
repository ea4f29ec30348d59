import { afterAll, beforeAll, expect, it } from 'vitest';
import { agentJobs, createNamespace } from '../support/cluster';
import { cli, runForJson, runProcess } from '../support/spawn-app';
import { agentPods, nothingLeft } from './agents';
import { createWorld, fixturePath, type World } from './world';

let world: World;
let agents: { name: string; drop(): Promise<void> };
beforeAll(async () => {
  [world, agents] = await Promise.all([createWorld('apart'), createNamespace('agents')]);
}, 120_000);
afterAll(async () => {
  await world?.drop();
  await agents?.drop();
});

it('an agent in a namespace of its own serves a target in another one, and leaves nothing in either', async () => {
  const env = { ...world.env, MIRRORD_AGENT_NAMESPACE: agents.name };
  // The app lives until its standard input ends, so that the agent can be looked at.
  const { code, stdout, stderr } = await runProcess({
    args: [cli, 'exec', '--', 'node', fixturePath('child-facts.cjs')],
    env: { ...env, CI: undefined, MIRRORD_AGENT_IDLE_TIMEOUT: '5' },
    limitMs: 60_000,
  });
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ hostname: world.pod, variable: 'from a Secret', caller: world.podIP });
  expect(await agentJobs(agents.name)).toHaveLength(1);
  expect(await agentJobs(world.namespace)).toEqual([]);
  const [pod] = await agentPods(agents.name);
  expect(pod!.metadata!.annotations).toMatchObject({
    'mirrord-node/target-path': `${world.namespace}/deployment/target`,
  });
  await nothingLeft(agents.name, 60_000);
}, 150_000);

it('doctor looks at the rights in both', async () => {
  const { checks } = await runForJson({
    args: [cli, 'doctor', '-t', 'deployment/target', '-n', world.namespace, '--json'],
    env: { ...world.env, MIRRORD_AGENT_NAMESPACE: agents.name },
  });
  const detail = (name: string) => checks.find((check: { name: string }) => check.name === name)?.detail;
  expect(detail('right:jobs')).toContain(`"${agents.name}"`);
  expect(detail('right:pods:target')).toContain(`"${world.namespace}"`);
});
