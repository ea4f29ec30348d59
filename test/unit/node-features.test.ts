import { describe, expect, it } from 'vitest';
import { hasFeature, isSupportedNode, parseVersion } from '../../src/node-features';

describe('the table of Node versions', () => {
  it('takes a feature from its first minor on, in each line that got it', () => {
    expect(hasFeature('registerHooks', '22.14.0')).toBe(false);
    expect(hasFeature('registerHooks', '22.15.0')).toBe(true);
    expect(hasFeature('registerHooks', '23.4.0')).toBe(false);
    expect(hasFeature('registerHooks', '23.5.0')).toBe(true);
    expect(hasFeature('registerHooks', '24.0.0')).toBe(true);
    expect(hasFeature('registerHooks', '20.99.0')).toBe(false);
  });

  it('does not give a line between two listed ones what it never got', () => {
    expect(hasFeature('requireEsm', '21.7.0')).toBe(false);
    expect(hasFeature('requireEsm', '20.19.0')).toBe(true);
  });

  it('supports 20.19 and nothing before', () => {
    expect(isSupportedNode('20.18.3')).toBe(false);
    expect(isSupportedNode('20.19.0')).toBe(true);
    expect(isSupportedNode('18.20.0')).toBe(false);
    expect(isSupportedNode('22.0.0')).toBe(true);
    expect(isSupportedNode('nonsense')).toBe(false);
    expect(isSupportedNode()).toBe(true);
  });

  it('reads versions with and without the v', () => {
    expect(parseVersion('v22.3.1')).toEqual([22, 3]);
    expect(parseVersion('22.3')).toBeUndefined();
  });
});
