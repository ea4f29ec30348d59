import { expect, it } from 'vitest';
import { SteadyLink } from '../../../src/bridge/agents/steady-link';
import { MirrordError } from '../../../src/errors';
import type { AgentLink } from '../../../src/protocol/session-types';

const lost = () => new MirrordError('LINK_LOST', 'the agent has ended');

/** A link whose calls end as the test says. */
function scriptedLink(name: string) {
  let end!: (reason: Error | undefined) => void;
  let fail: ((error: Error) => void) | undefined;
  let hangs = false;
  const calls: string[] = [];
  const link = {
    closed: new Promise<Error | undefined>((resolve) => {
      end = resolve;
    }),
    call: (method: string) => {
      calls.push(method);
      if (!hangs) return Promise.resolve({ result: { name }, raw: new Uint8Array() });
      return new Promise((_, reject) => {
        fail = reject;
      });
    },
    open: async () => ({ name }),
    close: async () => end(undefined),
  } as unknown as AgentLink;
  return {
    link,
    calls,
    hang: () => {
      hangs = true;
    },
    lose: () => {
      fail?.(lost());
      end(lost());
    },
  };
}

const who = async (link: SteadyLink, method = 'info') =>
  ((await link.call(method as never, {} as never)).result as any).name;
const settled = () => new Promise((resolve) => setImmediate(resolve));

it('sends what is begun to the agent of the moment', async () => {
  const [a, b] = [scriptedLink('a'), scriptedLink('b')];
  const steady = new SteadyLink(a.link, () => '');
  expect(await who(steady)).toBe('a');
  steady.replace(b.link);
  expect(await who(steady)).toBe('b');
  expect(await steady.open({ kind: 'tcp', host: 'h', port: 1 })).toEqual({ name: 'b' });
});

it('repeats on the next agent what asks, and never what changes something', async () => {
  const [a, b] = [scriptedLink('a'), scriptedLink('b')];
  const steady = new SteadyLink(a.link, () => '');
  a.hang();
  const asking = who(steady, 'fs.stat');
  await settled();
  a.lose();
  await settled();
  steady.replace(b.link);
  expect(await asking).toBe('b');

  b.hang();
  const changing = who(steady, 'fs.rename');
  await settled();
  b.lose();
  await expect(changing).rejects.toMatchObject({ code: 'LINK_LOST' });
});

it('waits for the next agent, and says after its patience what it waited for', async () => {
  const [a, b] = [scriptedLink('a'), scriptedLink('b')];
  const steady = new SteadyLink(a.link, () => 'pod a was deleted', 50);
  a.lose();
  await settled();
  await expect(who(steady)).rejects.toMatchObject({
    code: 'TARGET_GONE',
    message: expect.stringContaining('because pod a was deleted'),
  });
  const waiting = who(steady);
  steady.replace(b.link);
  expect(await waiting).toBe('b');
});

it('gives up waiting when the caller does', async () => {
  const a = scriptedLink('a');
  const steady = new SteadyLink(a.link, () => '');
  a.lose();
  await settled();
  const abort = new AbortController();
  const opening = steady.open({ kind: 'tcp', host: 'h', port: 1 }, abort.signal);
  abort.abort(new Error('enough'));
  await expect(opening).rejects.toThrow('enough');
});

it('tells everybody why when there will be no other agent', async () => {
  const a = scriptedLink('a');
  const steady = new SteadyLink(a.link, () => '');
  a.lose();
  await settled();
  const waiting = who(steady).catch((error) => error.code);
  steady.end(new MirrordError('TARGET_GONE', 'none'));
  expect(await waiting).toBe('TARGET_GONE');
  await expect(who(steady)).rejects.toMatchObject({ code: 'TARGET_GONE' });
  expect(await steady.closed).toMatchObject({ code: 'TARGET_GONE' });
});
