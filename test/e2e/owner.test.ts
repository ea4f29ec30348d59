import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { agentJobs, eventually } from '../support/cluster';
import { cli, preload } from '../support/spawn-app';
import { nothingLeft } from './agents';
import { createPlace, type Place } from './running';
import { createWorld, fixturePath, type World } from './world';

let world: World;
let place: Place;

beforeAll(async () => {
  world = await createWorld('owner');
}, 120_000);
afterAll(() => world?.drop());
beforeEach(() => {
  place = createPlace();
});
afterEach(() => place.remove());

const start = (args: string[], env: Record<string, string> = {}) =>
  place.run(args, { ...world.env, MIRRORD_AGENT_GRACE: '10', ...env });

const owners: Record<string, string[]> = {
  'a process with the preload': ['-r', preload, fixturePath('owner-of-stream.cjs')],
  'mirrord exec': [cli, 'exec', '--', 'node', fixturePath('stream.cjs')],
};

it.each(Object.keys(owners))(
  '%s that is killed takes no stream of its children with it',
  async (owner) => {
    const { child, line, lines, stderr } = start(owners[owner]!, { CHILDREN: '2' });
    const count = owner === 'mirrord exec' ? 1 : 2;
    const pidsOf = () => [...new Set(lines.filter(({ streaming }) => streaming).map(({ pid }) => pid as number))];
    await eventually('all children to stream', async () => pidsOf().length === count, 40_000);
    const pids = pidsOf();
    child.kill('SIGKILL');
    for (const pid of pids) {
      const { received } = lines.findLast((said) => said.pid === pid && said.received) ?? { received: 50 };
      await line('the stream to go on', (said) => said.pid === pid && said.received > received + 200);
      process.kill(pid, 'SIGTERM');
      const end = await line('the stream to end', (said) => said.pid === pid && said.closed);
      expect(end).toMatchObject({ sent: end.received, wrong: 0 });
    }
    expect(lines.filter(({ error }) => error)).toEqual([]);
    expect(stderr()).not.toContain('the agent is gone');
    expect(await agentJobs(world.namespace)).not.toHaveLength(2);
    await eventually('no process to be left', async () => place.processes().length === 0);
    await eventually('no socket folder to be left', async () => place.leftovers().length === 0);
    // What the killed owner had itself is kept for the grace time.
    await nothingLeft(world.namespace, 90_000);
  },
  180_000,
);
