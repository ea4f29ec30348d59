import { describe, expect, it } from 'vitest';
import { onlyRoutable } from '../../../src/agent/dns/lookup';
import { detectFamilies, hasGlobalIPv6, routesIPv4, routesIPv6 } from '../../../src/agent/families';

const HEADER = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
const zeros = '0'.repeat(32);

describe('routes', () => {
  it('IPv4: a route of another interface than lo that is up', () => {
    expect(routesIPv4(`${HEADER}eth0\t00000000\t0101FEA9\t0003\t0\t0\t0\t00000000\t0\t0\t0\n`)).toBe(true);
    expect(routesIPv4(`${HEADER}eth0\t00000000\t0101FEA9\t0200\t0\t0\t0\t00000000\t0\t0\t0\n`)).toBe(false);
    expect(routesIPv4(`${HEADER}lo\t0000007F\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n`)).toBe(false);
    expect(routesIPv4(HEADER)).toBe(false);
    expect(routesIPv4('')).toBe(false);
  });

  it('IPv6: link-local, multicast, loopback and rejecting routes do not count', () => {
    const route = (destination: string, flags: string, device: string) =>
      `${destination} 40 ${zeros} 00 ${zeros} 00000100 00000001 00000000 ${flags}     ${device}\n`;
    expect(routesIPv6(route(zeros, '00000003', 'eth0'))).toBe(true);
    expect(routesIPv6(route(`fe80${zeros.slice(4)}`, '00000001', 'eth0'))).toBe(false);
    expect(routesIPv6(route(`ff00${zeros.slice(4)}`, '00000001', 'eth0'))).toBe(false);
    expect(routesIPv6(route(zeros, '00200200', 'lo'))).toBe(false);
    expect(routesIPv6(route(zeros, '00000201', 'eth0'))).toBe(false);
  });

  it('IPv6 addresses count with global scope', () => {
    expect(hasGlobalIPv6(`${zeros.slice(1)}1 01 80 10 80       lo\n`)).toBe(false);
    expect(hasGlobalIPv6(`fe80${zeros.slice(4)} 02 40 20 80     eth0\n`)).toBe(false);
    expect(hasGlobalIPv6(`fd00${zeros.slice(4)} 02 40 00 80     eth0\n`)).toBe(true);
  });

  it('this machine has an answer', () => {
    expect(detectFamilies()).toEqual({ ipv4: expect.any(Boolean), ipv6: expect.any(Boolean) });
  });
});

describe('onlyRoutable', () => {
  const v4 = { address: '10.0.0.1', family: 4 } as const;
  const v6 = { address: 'fd00::1', family: 6 } as const;
  const loop = { address: '::1', family: 6 } as const;

  it('leaves out what the pod cannot route, never loopback, and never all', () => {
    expect(onlyRoutable([v6, v4], { ipv4: true, ipv6: false })).toEqual([v4]);
    expect(onlyRoutable([v6, v4], { ipv4: false, ipv6: true })).toEqual([v6]);
    expect(onlyRoutable([v6, v4], { ipv4: true, ipv6: true })).toEqual([v6, v4]);
    expect(onlyRoutable([loop, v6, v4], { ipv4: true, ipv6: false })).toEqual([loop, v4]);
    expect(onlyRoutable([v6], { ipv4: true, ipv6: false })).toEqual([v6]);
  });
});
