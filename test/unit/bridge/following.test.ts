import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type FollowedAgent, Following, MAX_AGENTS } from '../../../src/bridge/following';
import { LastingLink } from '../../../src/bridge/lasting-link';
import type { NamedTarget, ResolvedConfig } from '../../../src/config/types';
import { MirrordError } from '../../../src/errors';
import type { ChosenTarget, TargetPods } from '../../../src/kube/types';
import type { AgentLink } from '../../../src/protocol/session-types';

let following: Following | undefined;
let link: LastingLink | undefined;
afterEach(async () => {
  following?.close();
  await link?.close();
});

const deployment: NamedTarget = { kind: 'deployment', name: 'web', container: undefined };
const choice = (pod: string) => ({ pod, containerId: `id-${pod}` }) as ChosenTarget;
const podsNamed = (...names: string[]): TargetPods => ({
  ready: names.map(choice),
  staying: new Set(names.map((name) => `id-${name}`)),
  names: new Set(names),
});
const numbered = (count: number) => Array.from({ length: count }, (_, index) => `web-${index}`);

/** A session at the first of the pods, in a world that is what the test says. */
async function observe(pods: TargetPods | Error, replicas: ResolvedConfig['replicas'], starts = async () => {}) {
  const seen = { said: [] as string[], started: [] as string[], atOnce: 0, moves: [] as string[] };
  let now = 0;
  let looks: (value?: unknown) => void = () => {};
  let tell!: (pods: TargetPods) => void;
  const siblings: NonNullable<FollowedAgent['handle']['siblings']> = {
    async follow(onChange, signal) {
      looks();
      if (pods instanceof Error) throw pods;
      tell = onChange;
      onChange(pods);
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    },
    start: async (target) => agentAt(target).handle as never,
  };
  const agentAt = (target: ChosenTarget): FollowedAgent => {
    const closed = new Promise<undefined>(() => {});
    const none = { closed, close: async () => {}, onOpen() {}, onEvent() {} } as unknown as AgentLink;
    return { link: none, handle: { handoff: { target } as never, dial: undefined as never, siblings } };
  };
  const first = agentAt(choice('web-0'));
  link = new LastingLink(first.link, {
    renew: async (signal) => (await following!.next(signal)).link,
    onRenewed: () => seen.moves.push('moved'),
  });
  following = new Following({
    config: { target: deployment, replicas },
    link,
    first,
    progress: ({ type, text }) => seen.said.push(`${type} ${text}`),
    firstLookMs: 0,
    onChange: () => {},
    async bringUp(signal, start) {
      now += 1;
      seen.atOnce = Math.max(seen.atOnce, now);
      await starts();
      now -= 1;
      if (!start) return agentAt(choice('web-other'));
      const handle = await start(() => {});
      seen.started.push(handle.handoff.target!.pod);
      signal.throwIfAborted();
      return { handle, link: agentAt(handle.handoff.target!).link };
    },
  });
  const isLooking = new Promise((resolve) => {
    looks = resolve;
  });
  await following.start();
  await isLooking;
  return { seen, tell: (change: TargetPods) => tell(change) };
}

describe('a session with all replicas', () => {
  it('of more pods than get an agent starts a few agents at a time, and says how many have one', async () => {
    const { seen } = await observe(podsNamed(...numbered(25)), 'all', () => sleep(5));
    expect(seen.started.sort()).toEqual(numbered(25).slice(1, MAX_AGENTS).sort());
    expect(seen.atOnce).toBe(4);
    expect(seen.said).toEqual([
      'warn the target has 25 pods; 20 of them get an agent, the others keep what comes to them',
      'start Starting agents at 19 more pods, 4 at a time',
      "done 20 of the target's 25 pods have an agent",
    ]);
    expect(following!.others).toHaveLength(MAX_AGENTS - 1);
  });

  it('gives the place of a pod that goes to one that had none', async () => {
    const { seen, tell } = await observe(podsNamed(...numbered(21)), 'all');
    expect(seen.started).not.toContain('web-20');
    tell(podsNamed(...numbered(21).filter((name) => name !== 'web-7')));
    await expect.poll(() => seen.started).toContain('web-20');
    expect(seen.said.at(-1)).toBe('done pod web-20 has an agent too');
    expect(seen.moves).toEqual([]);
  });

  it('of a single pod has nothing to say', async () => {
    expect((await observe(podsNamed('web-0'), 'all')).seen.said).toEqual([]);
  });
});

describe('a session at one pod', () => {
  it('stays there when a new one is ready beside it, as with a canary, and moves when its own goes', async () => {
    const { seen, tell } = await observe(podsNamed('web-0'), 'one');
    // The best by now: of the newest template.
    tell(podsNamed('web-canary', 'web-0'));
    tell(podsNamed('web-canary', 'web-0', 'web-third'));
    await sleep(50);
    expect(seen).toMatchObject({ moves: [], started: [], said: [] });
    tell(podsNamed('web-canary', 'web-third'));
    await expect.poll(() => seen.moves).toEqual(['moved']);
  });

  it.each(['one', 'all'] as const)(
    'whose pods may not be watched (replicas: %s) says so once, and why',
    async (replicas) => {
      const why = new MirrordError('FORBIDDEN', 'You may not watch pods in namespace "x"\nand more', { hint: 'ask' });
      const { seen } = await observe(why, replicas);
      await expect.poll(() => seen.said).toHaveLength(1);
      expect(seen.said[0]).toMatch(
        /^warn the target is not followed.*\(FORBIDDEN: You may not watch pods in namespace "x"\)$/,
      );
      expect(seen.said[0]!.includes('its other pods')).toBe(replicas === 'all');
    },
  );
});
