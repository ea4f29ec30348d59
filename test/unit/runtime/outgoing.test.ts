import { describe, expect, it } from 'vitest';
import type { OutgoingConfig } from '../../../src/config/types';
import { createOutgoingPolicy } from '../../../src/runtime/outgoing';

const policy = (outgoing: Partial<OutgoingConfig> = {}, names: Record<string, string> = {}) => {
  const { decide } = createOutgoingPolicy({
    outgoing: { tcp: true, udp: true, ignoreLocalhost: false, filter: undefined, ...outgoing },
    isOwnPort: (port) => port === 40_000,
    isOwnListener: (port) => port === 3000,
    nameOf: (address) => names[address],
  });
  return (address: string, port: number) => {
    const verdict = decide(address, port, address.includes(':') ? 6 : 4);
    return verdict.kind === 'bypass' ? verdict.reason : verdict.kind;
  };
};

describe('the outgoing policy', () => {
  it('sends what is not loopback through the pod', () => {
    const decide = policy();
    expect(decide('10.0.0.1', 80)).toBe('remote');
    expect(decide('2001:db8::1', 80)).toBe('remote');
    expect(decide('126.255.255.255', 80)).toBe('remote');
    expect(decide('128.0.0.0', 80)).toBe('remote');
  });

  it.each(['127.0.0.1', '127.255.255.255', '::1', '::ffff:127.0.0.1', '0.0.0.0', '::'])(
    'takes %s for the pod, except where a process of the session listens',
    (address) => {
      const decide = policy();
      expect(decide(address, 5432)).toBe('remote');
      expect(decide(address, 3000)).toBe('own-listener');
      expect(decide(address, 40_000)).toBe('own-socket');
      expect(decide(address, process.debugPort)).toBe('loopback');
    },
  );

  it('applies the ports of listeners to loopback only', () => {
    expect(policy()('10.0.0.1', 3000)).toBe('remote');
    expect(policy()('10.0.0.1', 40_000)).toBe('remote');
  });

  it('keeps all loopback here when told to', () => {
    const decide = policy({ ignoreLocalhost: true });
    expect(decide('127.0.0.1', 5432)).toBe('loopback');
    expect(decide('10.0.0.1', 5432)).toBe('remote');
  });

  it('keeps everything here when TCP is switched off', () => {
    expect(policy({ tcp: false })('10.0.0.1', 80)).toBe('feature-off');
  });

  it('leaves port 0 to Node and takes port 1', () => {
    expect(policy()('10.0.0.1', 0)).toBe('default-local');
    expect(policy()('10.0.0.1', 1)).toBe('remote');
  });

  it('sends only what a remote list names through the pod', () => {
    const decide = policy(
      { filter: { remote: ['10.0.0.0/8:5432', 'db.shop', 'udp://192.0.2.1'] } },
      { '192.0.2.9': 'db.shop' },
    );
    expect(decide('10.1.1.1', 5432)).toBe('remote');
    expect(decide('10.1.1.1', 5433)).toBe('configured-local');
    expect(decide('192.0.2.9', 1)).toBe('remote');
    expect(decide('192.0.2.1', 1)).toBe('configured-local');
  });

  it('keeps only what a local list names here', () => {
    const decide = policy({ filter: { local: ['192.0.2.0/24'] } });
    expect(decide('192.0.2.1', 1)).toBe('configured-local');
    expect(decide('192.0.3.1', 1)).toBe('remote');
  });

  it('asks an empty remote list: nothing goes through the pod', () => {
    expect(policy({ filter: { remote: [] } })('10.0.0.1', 1)).toBe('configured-local');
    expect(policy({ filter: { local: [] } })('10.0.0.1', 1)).toBe('remote');
  });
});
