import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentPods, tablesOfTarget } from './agents';
import { createIncomingWorld, type Developer, type IncomingWorld } from './incoming-world';

// What `agent.*` says of incoming traffic, from a file on the developer's machine to what a caller in the cluster gets.
let world: IncomingWorld;
let folder: string;
// One for each: an agent that is joined keeps what it was started with.
beforeEach(async () => {
  world = await createIncomingWorld('settings');
  folder = mkdtempSync(join(tmpdir(), 'mirrord-settings-'));
}, 120_000);
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world?.drop();
});

function develop(agent: object, incoming: object): Promise<Developer> {
  const file = join(folder, 'mirrord.json');
  writeFileSync(file, JSON.stringify({ agent, feature: { network: { incoming } } }));
  return world.develop({ MIRRORD_CONFIG_FILE: file }, ['http', 'tcp']);
}

async function variables(): Promise<Record<string, string | undefined>> {
  const [pod] = await agentPods(world.namespace);
  return Object.fromEntries(pod!.spec!.containers[0]!.env!.map(({ name, value }) => [name, value]));
}

describe('agent.nftables', () => {
  it.each([
    [true, /^table inet mirrord_/m],
    [false, /^(?!.*mirrord_)/s],
  ])(
    'that is %s decides how the traffic of a port is taken',
    async (nftables, tables) => {
      const developer = await develop({ nftables }, { mode: 'steal' });
      expect((await world.call('http')).by).toBe('developer');
      expect((await variables()).MIRRORD_AGENT_NFTABLES).toBe(String(nftables));
      expect(await tablesOfTarget(world.namespace)).toMatch(tables);
      await developer.leave();
      expect(developer.stderr).toBe('');
      expect((await world.call('http')).by).toBe('pod');
    },
    90_000,
  );
});

describe('agent.http_detection_timeout', () => {
  it.each([
    ['of 0.2 s, the default, lets the pod greet it', {}, 15_000, 'pod speaks first'],
    ['of a minute leaves it alone', { http_detection_timeout: 60 }, 4_000, 'nothing'],
  ])(
    'a client that waits for the server to speak first: one %s',
    async (_title, agent, waits, heard) => {
      const developer = await develop(agent, { mode: 'steal', http_filter: { header_filter: '^x-user: me$' } });
      expect(await world.call('greeting', String(waits))).toBe(heard);
      expect((await world.call('http', 'x-user=me')).by).toBe('developer');
      await developer.leave();
      expect(developer.stderr).toBe('');
    },
    90_000,
  );
});
