import { describe, expect, it } from 'vitest';
import { renderServiceRules } from '../../../src/playground/service-rules';

const service = (spec: any): any => ({
  metadata: { namespace: 'default', name: 'web' },
  spec: { clusterIP: '10.96.0.7', ...spec },
});
const endpoints = (ips: string[]): any => ({
  metadata: { namespace: 'default', name: 'web' },
  subsets: [{ addresses: ips.map((ip) => ({ ip })), ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] }],
});
const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];

describe('rules for services', () => {
  it('spread a port over its backends', () => {
    const rules = renderServiceRules([service({ ports })], [endpoints(['10.244.0.3', '10.244.0.4'])], []);
    expect(rules).toMatch(
      /ip daddr 10\.96\.0\.7 tcp dport 80 numgen random mod 2 vmap \{ 0 : goto (\S+), 1 : goto (\S+) \}/,
    );
    expect(rules).toContain('dnat to 10.244.0.3:8080');
    expect(rules).toContain('dnat to 10.244.0.4:8080');
  });

  it('stick to a backend per client when the service has affinity', () => {
    const rules = renderServiceRules(
      [service({ ports, sessionAffinity: 'ClientIP' })],
      [endpoints(['10.244.0.3', '10.244.0.4'])],
      [],
    );
    expect(rules).toContain('jhash ip saddr mod 2');
  });

  it('leave out headless services, unnamed ports that do not match, and services without endpoints', () => {
    const variants = [
      renderServiceRules([service({ ports, clusterIP: 'None' })], [endpoints(['10.244.0.3'])], []),
      renderServiceRules([service({ ports: [{ name: 'admin', port: 80 }] })], [endpoints(['10.244.0.3'])], []),
      renderServiceRules([service({ ports })], [endpoints([])], []),
      renderServiceRules([service({ ports })], [], []),
    ];
    for (const rules of variants) expect(rules).not.toContain('vmap');
  });

  it('give each pod an element for reaching itself', () => {
    expect(renderServiceRules([], [], ['10.244.0.3', '10.244.0.4'])).toContain(
      'elements = { 10.244.0.3 . 10.244.0.3, 10.244.0.4 . 10.244.0.4 }',
    );
    expect(renderServiceRules([], [], [])).not.toContain('elements');
  });
});
