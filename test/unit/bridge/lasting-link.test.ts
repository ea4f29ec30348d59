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
  it('tells the next agent who takes connections and events, and the session that it has to subscribe again', async () => {
    const first = namedLink('first');
    const second = namedLink('second');
    const link = new LastingLink(first, { renew: async () => second });
    let renewed = 0;
    const handlers = [() => {}, () => {}] as const;
    link.onOpen(handlers[0]);
    link.onEvent(handlers[1]);
    link.onRenewed(() => (renewed += 1));
    expect(first.handlers).toEqual(handlers);
    first.end(gone);
    await expect.poll(() => renewed).toBe(1);
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
