import { createHash, type Hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WindowBudget } from '../../src/protocol/credit';
import type { MuxStream } from '../../src/protocol/session-types';
import { ANSWER, settle, TCP, World } from './world';

/** Bytes that tell their position, so that lost, doubled and swapped ones show. */
function pattern(from: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i += 1) bytes[i] = ((from + i) * 31 + ((from + i) >> 8)) & 255;
  return bytes;
}

/** One end of a stream in the model: what it has sent and checked. */
class End {
  sent = 0;
  received = 0;
  unconsumed = 0;
  ended = false;
  gotEnd = false;
  reset = false;
  closes = 0;
  other!: End;
  readonly stream: MuxStream;

  constructor(stream: MuxStream, problems: string[]) {
    this.stream = stream;
    stream.onData = (chunk) => {
      if (!pattern(this.received, chunk.byteLength).equals(chunk)) problems.push(`bytes differ at ${this.received}`);
      this.received += chunk.byteLength;
      this.unconsumed += chunk.byteLength;
      if (this.gotEnd || this.closes > 0) problems.push('data after the end');
      if (this.unconsumed > 4 * 1024 * 1024) problems.push('more than a window was delivered');
    };
    stream.onEnd = () => {
      if (this.gotEnd) problems.push('a second end');
      this.gotEnd = true;
    };
    stream.onReset = () => {
      this.reset = true;
    };
    stream.onClose = () => {
      this.closes += 1;
    };
  }
}

type Operation =
  | { do: 'open' | 'cut' | 'call' | 'refuse' }
  | { do: 'write'; stream: number; side: number; size: number }
  | { do: 'end' | 'reset'; stream: number; side: number }
  | { do: 'consume'; stream: number; side: number }
  | { do: 'deliver'; way: 'toAgent' | 'toClient'; bytes: number }
  | { do: 'wait'; ms: number };

const place = { stream: fc.nat(5), side: fc.nat(1) };
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('open', 'call') }) as fc.Arbitrary<Operation> },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('cut', 'refuse') }) as fc.Arbitrary<Operation> },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write'),
      ...place,
      size: fc.integer({ min: 1, max: 300_000 }),
    }) as fc.Arbitrary<Operation>,
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('end', 'reset'), ...place }) as fc.Arbitrary<Operation> },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('consume'), ...place }) as fc.Arbitrary<Operation> },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('deliver'),
      way: fc.constantFrom('toAgent', 'toClient'),
      bytes: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 400_000 })),
    }) as fc.Arbitrary<Operation>,
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.integer({ min: 1, max: 300 }) }) as fc.Arbitrary<Operation>,
  },
);

async function play(operations: Operation[]): Promise<void> {
  const budgets = { client: new WindowBudget(), agent: new WindowBudget() };
  const world = new World({ client: { budget: budgets.client }, agent: { budget: budgets.agent } });
  const problems: string[] = [];
  const pairs: [End, End][] = [];
  const accepted = new Map<number, End>();
  const calls: Promise<void>[] = [];
  let refused = 0;

  world.agent.onOpen((request) => {
    if (request.metadata.port === 1) return request.refuse({ code: 'ECONNREFUSED' });
    accepted.set(request.id, new End(request.accept(ANSWER), problems));
  });
  world.agent.onCall(async (_method, params) => ({
    result: params,
    raw: pattern(0, (params as { size: number }).size),
  }));
  for (const end of [world.client, world.agent]) end.onClose((reason) => problems.push(`closed: ${reason?.message}`));

  const pick = (index: number, side: number) => pairs[index % Math.max(pairs.length, 1)]?.[side];
  const run: Record<Operation['do'], (operation: never) => void> = {
    open: () => {
      if (pairs.length >= 6) return;
      void world.client.open(TCP).then((stream) => {
        const near = new End(stream, problems);
        const far = accepted.get(stream.id)!;
        near.other = far;
        far.other = near;
        pairs.push([near, far]);
      });
    },
    refuse: () => {
      world.client.open({ ...TCP, port: 1 }).then(
        () => problems.push('was not refused'),
        (error) => {
          if (error.code !== 'ECONNREFUSED') problems.push(`refused with ${error.code}`);
        },
      );
      refused += 1;
    },
    call: () => {
      const size = (calls.length * 50_000) % 170_000;
      calls.push(
        world.client.call('m', { size }).then(({ result, raw }) => {
          expect(result).toEqual({ size });
          expect(pattern(0, size).equals(raw)).toBe(true);
        }),
      );
    },
    write: ({ stream, side, size }: { stream: number; side: number; size: number }) => {
      const end = pick(stream, side);
      if (!end || end.ended || end.reset || end.closes > 0) return;
      end.stream.write(pattern(end.sent, size));
      end.sent += size;
    },
    end: ({ stream, side }: { stream: number; side: number }) => {
      const end = pick(stream, side);
      if (!end || end.reset) return;
      end.ended = true;
      end.stream.end();
    },
    reset: ({ stream, side }: { stream: number; side: number }) => {
      const end = pick(stream, side);
      if (!end) return;
      end.reset = true;
      end.stream.reset('ECONNRESET');
    },
    consume: ({ stream, side }: { stream: number; side: number }) => {
      const end = pick(stream, side);
      if (!end) return;
      end.stream.consumed(end.unconsumed);
      end.unconsumed = 0;
    },
    deliver: ({ way, bytes }: { way: 'toAgent' | 'toClient'; bytes: number }) => world.deliver(way, bytes),
    cut: () => {
      world.cut();
      world.connect();
    },
    wait: ({ ms }: { ms: number }) => world.clock.advance(ms),
  };

  for (const step of operations) {
    run[step.do](step as never);
    await settle();
  }

  // Now everything is read, ended and delivered: what was sent must have arrived.
  for (let round = 0; round < 400; round += 1) {
    await world.drain();
    for (const end of pairs.flat()) {
      end.stream.consumed(end.unconsumed);
      end.unconsumed = 0;
      if (!end.reset && !end.ended) {
        end.ended = true;
        end.stream.end();
      }
    }
    world.clock.advance(100);
    await settle();
    if (pairs.flat().every(({ closes }) => closes > 0) && round > 3) break;
  }
  await Promise.all(calls);
  for (const [near, far] of pairs) {
    for (const end of [near, far]) {
      expect(end.closes).toBe(1);
      if (near.reset || far.reset) expect(end.received).toBeLessThanOrEqual(end.other.sent);
      else expect([end.received, end.gotEnd]).toEqual([end.other.sent, true]);
    }
  }
  expect(problems).toEqual([]);
  expect(refused).toBeGreaterThanOrEqual(0);
  // Nothing is left of what is over.
  for (const end of [world.client, world.agent]) {
    expect(end.stats).toMatchObject({ streams: 0, calls: 0, windowSum: 0, controlBytes: 0 });
  }
  expect([budgets.client.used, budgets.agent.used, world.clock.pending]).toEqual([0, 0, 0]);
}

describe('two ends over a pipe that chunks, delays and is cut', () => {
  it(
    'keep every byte in order, whatever is done',
    async () => {
      const numRuns = Number(process.env.MIRRORD_PROPERTY_RUNS ?? 300);
      await fc.assert(fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 80 }), play), {
        numRuns,
        interruptAfterTimeLimit: process.env.MIRRORD_PROPERTY_RUNS ? undefined : 12_000,
      });
    },
    Number(process.env.MIRRORD_PROPERTY_RUNS ? 3_600_000 : 20_000),
  );

  it(
    'bring a big transfer over many cuts with the right SHA-256',
    async () => {
      const total = Number(process.env.MIRRORD_SOAK_BYTES ?? 24 * 1024 * 1024);
      const cuts = Number(process.env.MIRRORD_SOAK_CUTS ?? 60);
      const world = new World();
      const [sentHash, receivedHash]: [Hash, Hash] = [createHash('sha256'), createHash('sha256')];
      let received = 0;
      let ended = false;
      world.agent.onOpen((request) => {
        const stream = request.accept(ANSWER);
        stream.onData = (chunk) => {
          receivedHash.update(chunk);
          received += chunk.byteLength;
          stream.consumed(chunk.byteLength);
        };
        stream.onEnd = () => {
          ended = true;
        };
      });
      const opening = world.client.open(TCP);
      await world.drain();
      const stream = await opening;
      let sent = 0;
      let writable = true;
      stream.onDrain = () => {
        writable = true;
      };
      stream.onData = () => {};
      let nextCut = total / cuts;
      let done = 0;
      for (let seed = 1; !ended; seed = (seed * 48_271) % 2_147_483_647) {
        while (writable && sent < total) {
          const chunk = pattern(sent, Math.min(50_000, total - sent));
          sentHash.update(chunk);
          sent += chunk.byteLength;
          writable = stream.write(chunk);
          if (sent === total) stream.end();
        }
        await settle();
        world.deliver('toAgent', seed % 200_000);
        world.deliver('toClient', seed % 500);
        world.clock.advance(seed % 3);
        if (received < nextCut) continue;
        // Mid-frame as often as not, and each way loses what was under way.
        nextCut += total / cuts;
        done += 1;
        world.cut();
        world.connect();
      }
      expect([received, done >= cuts - 1]).toEqual([total, true]);
      expect(receivedHash.digest('hex')).toBe(sentHash.digest('hex'));
    },
    Number(process.env.MIRRORD_SOAK_BYTES ? 3_600_000 : 20_000),
  );
});
