import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { SpareTransport } from '../../../src/bridge/spare-transport';
import { memoryPair } from '../../../src/tunnel/transports/memory';

const spares: SpareTransport[] = [];
afterEach(() => {
  for (const spare of spares.splice(0)) spare.close();
});

/** The far ends of what was dialled, in order. */
function keepSpare(maxAgeMs?: number) {
  const far: Duplex[] = [];
  const spare = new SpareTransport(async () => {
    const [near, end] = memoryPair();
    end.on('error', () => {});
    far.push(end);
    return near;
  }, maxAgeMs);
  spares.push(spare);
  return { spare, far };
}

async function say(transport: Duplex, text: string, far: Duplex): Promise<void> {
  const heard = new Promise((resolve) => far.once('data', resolve));
  transport.write(text);
  expect(String(await heard)).toBe(text);
}

describe('a spare connection', () => {
  it('is given to the one who comes next', async () => {
    const { spare, far } = keepSpare();
    spare.prepare();
    await say(await spare.take(), 'hello', far[0]!);
  });

  it('that the agent has said goodbye on is not given to anybody', async () => {
    const { spare, far } = keepSpare();
    spare.prepare();
    await expect.poll(() => far.length).toBe(1);
    // What an agent does with a connection on which nobody says HELLO. Nobody reads it, so nobody sees its end either.
    far[0]!.end('GOAWAY');
    await new Promise((resolve) => setImmediate(resolve));
    await say(await spare.take(), 'hello', far[1]!);
    await expect.poll(() => far[0]!.destroyed).toBe(true);
  });

  it('that has waited for so long that the agent is about to end it is not given to anybody', async () => {
    const { spare, far } = keepSpare(0);
    spare.prepare();
    await expect.poll(() => far.length).toBe(1);
    await say(await spare.take(), 'hello', far[1]!);
    await expect.poll(() => far[0]!.destroyed).toBe(true);
  });

  it.each(['renew', 'close'] as const)('is closed by %s()', async (way) => {
    const { spare, far } = keepSpare();
    spare.prepare();
    spare[way]();
    await expect.poll(() => far[0]?.destroyed).toBe(true);
  });
});
