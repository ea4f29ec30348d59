import { describe, expect, it } from 'vitest';
import { LastingLink } from '../../../src/bridge/lasting-link';
import { MirrordError } from '../../../src/errors';
import type { AgentLink } from '../../../src/protocol/session-types';

/** A link that answers with its name until it is ended. */
function namedLink(name: string): AgentLink & { end(reason: Error): void; handlers: unknown[] } {
  const handlers: unknown[] = [];
  let end!: (reason: Error | undefined) => void;
  const closed = new Promise<Error | undefined>((resolve) => {
    end = resolve;
  });
  return {
    call: async () => ({ result: name as never, raw: new Uint8Array() }),
    open: async () => name as never,
    onOpen: (handler) => void handlers.push(handler),
    onEvent: (handler) => void handlers.push(handler),
    handlers,
    close: async () => end(undefined),
    closed,
    end,
  };
}

const gone = new MirrordError('LINK_LOST', 'the agent has ended');
const call = async (link: AgentLink, timeoutMs?: number) => (await link.call('info', {}, { timeoutMs })).result;

describe('a session whose agent goes', () => {
  it('tells the next agent who takes connections and events, and whoever asks for things of each agent', async () => {
    const first = namedLink('first');
    const second = namedLink('second');
    const link = new LastingLink(first, { renew: async () => second });
    const agents: AgentLink[] = [];
    const handlers = [() => {}, () => {}] as const;
    link.onOpen(handlers[0]);
    link.onEvent(handlers[1]);
    link.onAgent((agent) => agents.push(agent));
    expect(first.handlers).toEqual(handlers);
    first.end(gone);
    await expect.poll(() => agents).toEqual([first, second]);
    expect(second.handlers).toEqual(handlers);
    await link.close();
  });

  it('lets what is asked for meanwhile wait for the next agent', async () => {
    const first = namedLink('first');
    let renew!: (link: AgentLink) => void;
    const lost: string[] = [];
    const link = new LastingLink(first, {
      renew: () => new Promise((resolve) => (renew = resolve)),
      onLost: ({ message }) => lost.push(message),
    });
    expect(await call(link)).toBe('first');
    first.end(gone);
    await expect.poll(() => renew).toBeDefined();
    const waiting = Promise.all([call(link), link.open({ kind: 'tcp', host: 'x', port: 1 })]);
    renew(namedLink('second'));
    expect(await waiting).toEqual(['second', 'second']);
    expect(lost).toEqual(['the agent has ended']);
    await link.close();
  });

  it('lets a call wait for its own time only, and says for what', async () => {
    const first = namedLink('first');
    const link = new LastingLink(first, { renew: () => new Promise(() => {}) });
    first.end(gone);
    await first.closed;
    await expect(call(link, 30)).rejects.toMatchObject({
      code: 'LINK_LOST',
      message: /within 0.03 s.*agent has ended/,
    });
    await link.close();
    expect(await link.closed).toBeUndefined();
  });

  it('asks again while the cluster refuses nothing, and ends after five agents that did not come up', async () => {
    const first = namedLink('first');
    let tries = 0;
    const link = new LastingLink(first, {
      firstDelayMs: 1,
      renew: async () => {
        tries += 1;
        // The link to the first agent did not last either, which counts.
        throw new MirrordError(tries <= 6 ? 'TARGET_NOT_READY' : 'AGENT_IMAGE_PULL', `try ${tries}`);
      },
    });
    first.end(gone);
    expect(await link.closed).toMatchObject({ code: 'AGENT_IMAGE_PULL', message: 'try 10' });
    await expect(call(link)).rejects.toMatchObject({ code: 'AGENT_IMAGE_PULL' });
  });

  it('does not make another one when it is closed meanwhile', async () => {
    const first = namedLink('first');
    const second = namedLink('second');
    let renew!: (link: AgentLink) => void;
    const link = new LastingLink(first, { renew: () => new Promise((resolve) => (renew = resolve)) });
    first.end(gone);
    await expect.poll(() => renew).toBeDefined();
    const waiting = call(link);
    await link.close();
    await expect(waiting).rejects.toMatchObject({ code: 'SESSION_CLOSED' });
    renew(second);
    expect(await second.closed).toBeUndefined();
  });
});

describe('a session that leaves its agent', () => {
  it('asks the next one as soon as it is there, and lets the one before end by itself', async () => {
    const [first, second, third] = ['first', 'second', 'third'].map(namedLink) as ReturnType<typeof namedLink>[];
    let renew!: (link: AgentLink) => void;
    const told: (string | boolean)[] = [];
    const link = new LastingLink(first!, {
      renew: () => new Promise((resolve) => (renew = resolve)),
      onLost: ({ message }) => told.push(message),
      onRenewed: (early) => told.push(early),
    });
    link.moveOn();
    link.moveOn();
    expect(await call(link)).toBe('first');
    renew(second!);
    await expect.poll(() => call(link)).toBe('second');
    first!.end(gone);
    await first!.closed;
    expect(await call(link)).toBe('second');
    expect(told).toEqual([true]);
    // The second one is the session's now, in every respect.
    second!.end(gone);
    await expect.poll(() => link.renewing).toBe(true);
    renew(third!);
    expect(await call(link)).toBe('third');
    expect(told).toEqual([true, 'the agent has ended', false]);
    await link.close();
  });

  it('keeps it when no other one comes up, and ends only when that one has ended too', async () => {
    const first = namedLink('first');
    let tries = 0;
    const link = new LastingLink(first, {
      firstDelayMs: 1,
      renew: async () => {
        tries += 1;
        throw new MirrordError('AGENT_IMAGE_PULL', `try ${tries}`);
      },
    });
    link.moveOn();
    await expect.poll(() => tries).toBe(5);
    await expect.poll(() => link.renewing).toBe(false);
    expect(await call(link)).toBe('first');
    first.end(gone);
    expect(await link.closed).toMatchObject({ code: 'AGENT_IMAGE_PULL', message: 'try 6' });
  });

  it('tries again at once when there is a reason to', async () => {
    const [first, second] = [namedLink('first'), namedLink('second')];
    let tries = 0;
    const link = new LastingLink(first, {
      firstDelayMs: 3_600_000,
      renew: async () => {
        tries += 1;
        if (tries === 1) throw new MirrordError('TARGET_NOT_READY', 'not yet');
        return second;
      },
    });
    link.moveOn();
    await expect.poll(() => tries).toBe(1);
    link.hurry();
    await expect.poll(() => call(link)).toBe('second');
    await link.close();
  });

  it('closes them all', async () => {
    const [first, second, replica] = [namedLink('first'), namedLink('second'), namedLink('replica')];
    const link = new LastingLink(first, { renew: async () => second });
    const pods: (string | undefined)[] = [];
    link.add(replica, 'web-2');
    link.onAgent((_, pod) => pods.push(pod));
    link.moveOn();
    await expect.poll(() => call(link)).toBe('second');
    expect(pods).toEqual([undefined, 'web-2', undefined]);
    await link.close();
    expect(await Promise.all([first, second, replica, link].map(({ closed }) => closed))).toEqual(
      Array(4).fill(undefined),
    );
  });
});
