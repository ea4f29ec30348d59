import dns from 'node:dns';
import { afterEach, describe, expect, it } from 'vitest';
import { dnsPatch } from '../../../src/patches/dns/index';
import type { Undo } from '../../../src/patches/patch';
import { createScript } from './scripted-context';

let undo: Undo = () => {};
afterEach(() => undo());

const both = [
  { address: 'fd00::1', family: 6 },
  { address: '10.0.0.1', family: 4 },
];
const answering = (addresses: unknown[], families?: { ipv4: boolean; ipv6: boolean }) => {
  const script = createScript({ lookup: { addresses }, families });
  undo = dnsPatch.install(script.context);
  return script;
};

describe('a lookup in the pod', () => {
  it('gives both families in the order of the pod', async () => {
    const { held } = answering(both);
    expect(await dns.promises.lookup('db', { all: true })).toEqual(both);
    expect(await dns.promises.lookup('db')).toEqual(both[0]);
    expect(held()).toBe(0);
  });

  it('leaves out a family the pod has no route for', async () => {
    answering(both, { ipv4: true, ipv6: false });
    expect(await dns.promises.lookup('db', { all: true })).toEqual([both[1]]);
  });

  it('keeps an unroutable answer when there is no other, so that the connect can say so', async () => {
    answering([both[0]], { ipv4: true, ipv6: false });
    expect(await dns.promises.lookup('db')).toEqual(both[0]);
  });

  it('without an address is ENOTFOUND', async () => {
    answering([]);
    await expect(dns.promises.lookup('db')).rejects.toMatchObject({
      code: 'ENOTFOUND',
      errno: -3008,
      syscall: 'getaddrinfo',
      hostname: 'db',
      message: 'getaddrinfo ENOTFOUND db',
    });
  });

  it('over a lost link is EAI_AGAIN with the cause', async () => {
    const script = createScript();
    const lost = new Error('the link is lost');
    script.context.resolver.call = () => Promise.reject(lost);
    undo = dnsPatch.install(script.context);
    await expect(dns.promises.lookup('db')).rejects.toMatchObject({ code: 'EAI_AGAIN', errno: -3001, cause: lost });
    await expect(dns.promises.resolve4('db')).rejects.toMatchObject({ code: 'ECONNREFUSED', syscall: 'queryA' });
    expect(script.held()).toBe(0);
  });

  it('gives Node its own functions back', () => {
    const before = [dns.lookup, dns.promises.lookup, dns.lookupService];
    answering(both);
    expect(dns.lookup).not.toBe(before[0]);
    undo();
    expect([dns.lookup, dns.promises.lookup, dns.lookupService]).toEqual(before);
  });
});
