import { describe, expect, it } from 'vitest';
import type { AddressFilter } from '../../../src/config/types';
import { createResolverPolicy, MAX_REMEMBERED } from '../../../src/runtime/resolve';

const policy = (filter?: AddressFilter, outgoingFilter?: AddressFilter, enabled = true) => {
  const { decide } = createResolverPolicy({ dns: { enabled, filter }, outgoingFilter });
  return (hostname: string) => {
    const verdict = decide(hostname);
    return verdict.kind === 'bypass' ? verdict.reason : verdict.kind;
  };
};

describe('the resolver policy', () => {
  it('asks the pod for names', () => {
    expect(policy()('db')).toBe('remote');
    expect(policy()('example.com.')).toBe('remote');
  });

  it.each(['localhost', 'LOCALHOST', 'localhost.'])('resolves %s on the client', (name) => {
    expect(policy()(name)).toBe('loopback');
  });

  it.each(['', '10.0.0.1', '::1'])('takes %j for no name', (name) => {
    expect(policy()(name)).toBe('not-a-name');
  });

  it('stays away when DNS is switched off', () => {
    expect(policy(undefined, undefined, false)('db')).toBe('feature-off');
  });

  it('follows a list of local names', () => {
    const decide = policy({ local: ['db.shop'] });
    expect(decide('DB.shop.')).toBe('configured-local');
    expect(decide('api.shop')).toBe('remote');
  });

  it('follows a list of remote names', () => {
    const decide = policy({ remote: ['db.shop:5432'] });
    expect(decide('db.shop')).toBe('remote');
    expect(decide('api.shop')).toBe('configured-local');
  });

  it('asks the pod when a remote list holds addresses, as the name may have one of them', () => {
    expect(policy(undefined, { remote: ['db.shop', '10.0.0.0/8'] })('api.shop')).toBe('remote');
  });

  it('resolves what outgoing traffic keeps here, here', () => {
    expect(policy(undefined, { local: ['db.shop:5432'] })('db.shop')).toBe('configured-local');
  });

  it('remembers the last name of an address', () => {
    const { remember, nameOf } = createResolverPolicy({
      dns: { enabled: true, filter: undefined },
      outgoingFilter: undefined,
    });
    remember('One.shop', ['10.0.0.1', '10.0.0.2']);
    remember('two.shop.', ['10.0.0.2']);
    expect([nameOf('10.0.0.1'), nameOf('10.0.0.2'), nameOf('10.0.0.3')]).toEqual(['one.shop', 'two.shop', undefined]);
  });

  it('keeps the newest names when there are too many', () => {
    const { remember, nameOf } = createResolverPolicy({
      dns: { enabled: true, filter: undefined },
      outgoingFilter: undefined,
    });
    const address = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    for (let n = 0; n < MAX_REMEMBERED; n++) remember('a', [address(n)]);
    expect(nameOf(address(0))).toBe('a');
    remember('b', [address(MAX_REMEMBERED)]);
    expect(nameOf(address(0))).toBeUndefined();
    expect(nameOf(address(1))).toBe('a');
  });
});
