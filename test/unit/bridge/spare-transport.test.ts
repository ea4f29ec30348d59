import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { SpareTransport } from '../../../src/bridge/spare-transport';
import type { Transport } from '../../../src/tunnel/transport';

function dialling(): { dialled: Transport[]; dial: () => Promise<Transport> } {
  const dialled: Transport[] = [];
  const dial = async () => {
    dialled.push(new PassThrough());
    return dialled.at(-1)!;
  };
  return { dialled, dial };
}

it('a spare connection is given to whoever comes next, and another one prepared', async () => {
  const { dialled, dial } = dialling();
  const spare = new SpareTransport(dial);
  spare.prepare();
  expect(await spare.take()).toBe(dialled[0]);
  expect(dialled).toHaveLength(2);
  spare.close();
});

it('one that has waited for too long is closed and given to nobody: the agent is about to refuse it', async () => {
  const { dialled, dial } = dialling();
  const spare = new SpareTransport(dial, 30);
  spare.prepare();
  await expect.poll(() => dialled[0]?.destroyed).toBe(true);
  const taken = await spare.take();
  expect(taken).toBe(dialled[1]);
  // Its time is over as well, but it is in use.
  await sleep(60);
  expect(taken.destroyed).toBe(false);
  spare.close();
});

it.each(['renew', 'close'] as const)('%s closes what was prepared', async (way) => {
  const { dialled, dial } = dialling();
  const spare = new SpareTransport(dial);
  spare.prepare();
  spare[way]();
  await expect.poll(() => dialled[0]?.destroyed).toBe(true);
});
