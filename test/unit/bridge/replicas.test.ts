import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type Member, Replicas } from '../../../src/bridge/replicas';
import type { AgentLink } from '../../../src/protocol/session-types';

interface FakeAgent {
  name: string;
  link: AgentLink;
  end(reason: Error | undefined): void;
}

const members = (...keys: string[]): Member[] => keys.map((key) => ({ key, pod: `pod-${key}` }));
const gone = new Error('the agent has ended');
let replicas: Replicas<Member, FakeAgent> | undefined;
afterEach(() => replicas?.close());

/** What was started, in order, what is up, and what was said. `connect` decides about each start. */
function observe(connect: (key: string) => void | Promise<void> = () => {}) {
  const seen = { started: [] as string[], said: [] as string[], agents: new Map<string, FakeAgent>() };
  const made = new Replicas<Member, FakeAgent>({
    firstDelayMs: 1,
    async connect({ key }) {
      seen.started.push(key);
      await connect(key);
      const agent = fakeAgent(key);
      seen.agents.set(key, agent);
      return agent;
    },
    onUp: (_, { key }) => seen.said.push(`up ${key}`),
    onFailed: ({ key }, error, failures) => seen.said.push(`failed ${key} ${failures}: ${(error as Error).message}`),
    onEnded: ({ key }, reason, wanted) => seen.said.push(`ended ${key} ${wanted}: ${reason?.message}`),
  });
  replicas = made;
  return { made, seen, names: () => made.up.map(({ name }) => name) };
}

function fakeAgent(name: string): FakeAgent {
  let end!: (reason: Error | undefined) => void;
  const closed = new Promise<Error | undefined>((resolve) => {
    end = resolve;
  });
  return { name, end, link: { closed, close: async () => end(undefined) } as unknown as AgentLink };
}

describe('replicas', () => {
  it('get a link each, once, and are started again only when they are others', async () => {
    const { made, seen, names } = observe();
    made.want(members('a', 'b'));
    made.want(members('a', 'b'));
    await made.tried();
    expect(names()).toEqual(['a', 'b']);
    made.want(members('b', 'c'));
    await made.tried();
    expect(seen.started).toEqual(['a', 'b', 'c']);
    // Its pod goes, which takes a moment: until then its traffic is still wanted.
    expect(names()).toEqual(['a', 'b', 'c']);
    seen.agents.get('a')!.end(gone);
    await expect.poll(names).toEqual(['b', 'c']);
    expect(seen.said.at(-1)).toBe('ended a false: the agent has ended');
    expect(seen.started).toEqual(['a', 'b', 'c']);
  });

  it('that cannot be had do not stop the others, and are given up after five tries', async () => {
    const { made, seen, names } = observe((key) => {
      if (key === 'a') throw new Error('refused');
    });
    made.want(members('a', 'b'));
    await made.tried();
    expect(names()).toEqual(['b']);
    expect(seen.said).toContain('failed a 1: refused');
    await expect.poll(() => seen.said.filter((line) => line.startsWith('failed')).length).toBe(5);
    // Each change of some pod asks for all of them.
    made.want(members('a', 'b'));
    await made.tried();
    expect(seen.started.filter((key) => key === 'a')).toHaveLength(5);
    // One that had gone and is back is another matter.
    made.want(members('b'));
    made.want(members('a', 'b'));
    await made.tried();
    expect(seen.started.filter((key) => key === 'a').length).toBeGreaterThan(5);
  });

  it('whose agent ends while they are wanted get another one', async () => {
    const { made, seen, names } = observe();
    made.want(members('a'));
    await made.tried();
    seen.agents.get('a')!.end(gone);
    await expect.poll(() => seen.started).toEqual(['a', 'a']);
    await expect.poll(names).toEqual(['a']);
    expect(seen.said).toEqual(['up a', 'ended a true: the agent has ended', 'up a']);
  });

  it('whose agents end again and again are left alone', async () => {
    const { made, seen } = observe();
    made.want(members('a'));
    for (let round = 1; round <= 5; round++) {
      await expect.poll(() => made.up).toHaveLength(1);
      seen.agents.get('a')!.end(gone);
      await expect.poll(() => seen.said.filter((line) => line.startsWith('ended')).length).toBe(round);
    }
    await made.tried();
    expect(seen.started).toHaveLength(5);
    expect(made.up).toEqual([]);
  });

  it('are started a few at a time', async () => {
    let [now, most] = [0, 0];
    const { made } = observe(async () => {
      now += 1;
      most = Math.max(most, now);
      await sleep(5);
      now -= 1;
    });
    made.want(members(...'abcdefghij'));
    await made.tried();
    expect(made.up).toHaveLength(10);
    expect(most).toBe(4);
  });

  it('can become what the session is at, the best first, and are no replica then', async () => {
    const { made, names } = observe();
    made.want(members('a', 'b', 'c'));
    await made.tried();
    expect(made.take(['x', 'b', 'a'])!.name).toBe('b');
    expect(names()).toEqual(['a', 'c']);
    expect(made.take(['x'])).toBeUndefined();
  });

  it('that come up after they were given up are closed', async () => {
    let come!: () => void;
    const { made, seen, names } = observe(() => new Promise((resolve) => (come = resolve)));
    made.want(members('a'));
    await expect.poll(() => come).toBeDefined();
    made.want([]);
    come();
    await expect.poll(() => seen.agents.get('a')).toBeDefined();
    expect(await seen.agents.get('a')!.link.closed).toBeUndefined();
    expect(names()).toEqual([]);
    expect(seen.said).toEqual([]);
  });
});
