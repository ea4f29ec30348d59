import { describe, expect, it } from 'vitest';
import { type FilteredAddress, matchesAddress, parseAddressFilter } from '../../../src/config/address-filter';

const address = (address: string, port = 80, name?: string, protocol: 'tcp' | 'udp' = 'tcp'): FilteredAddress => ({
  protocol,
  address,
  port,
  name,
});
const matches = (entry: string, candidate: FilteredAddress) => matchesAddress(parseAddressFilter(entry), candidate);

describe('an entry of an address filter', () => {
  it('with one address matches that address and no other', () => {
    expect(matches('10.1.2.3', address('10.1.2.3'))).toBe(true);
    expect(matches('10.1.2.3', address('10.1.2.4'))).toBe(false);
    expect(matches('fd00::1', address('fd00:0::1'))).toBe(true);
  });

  it('matches an IPv4 address that arrives mapped into IPv6', () => {
    expect(matches('10.1.2.3', address('::ffff:10.1.2.3'))).toBe(true);
  });

  it.each([
    ['10.0.0.0/8', '10.255.255.255', '11.0.0.0'],
    ['10.0.0.0/9', '10.127.255.255', '10.128.0.0'],
    ['10.1.2.3/32', '10.1.2.3', '10.1.2.4'],
    ['fd00::/16', 'fd00:ffff::', 'fd01::'],
    ['[fd00::]/16', 'fd00:ffff::', 'fd01::'],
  ])('with the subnet %s matches its last address and not the next one', (entry, inside, outside) => {
    expect(matches(entry, address(inside))).toBe(true);
    expect(matches(entry, address(outside))).toBe(false);
  });

  it('with a port matches that port only', () => {
    for (const entry of ['10.1.2.3:5432', '10.0.0.0/8:5432', ':5432', '0.0.0.0:5432', '[::]:5432']) {
      expect(matches(entry, address('10.1.2.3', 5432)), entry).toBe(true);
      expect(matches(entry, address('10.1.2.3', 5433)), entry).toBe(false);
    }
    expect(matches('[fd00::1]:443', address('fd00::1', 443))).toBe(true);
    expect(matches('[fd00::/8]:443', address('fd00::1', 80))).toBe(false);
  });

  it('with port 0 matches every port', () => {
    expect(matches('10.1.2.3:0', address('10.1.2.3', 1))).toBe(true);
    expect(matches('0.0.0.0:0', address('192.0.2.1', 65_535))).toBe(true);
  });

  it('with a name matches the name the address was looked up by, without case and root dot', () => {
    expect(matches('DB.shop:5432', address('10.1.2.3', 5432, 'db.shop.'))).toBe(true);
    expect(matches('db.shop', address('10.1.2.3', 5432, 'db'))).toBe(false);
    expect(matches('db.shop', address('10.1.2.3', 5432))).toBe(false);
  });

  it('with a protocol matches that protocol only', () => {
    expect(matches('udp://10.1.2.3', address('10.1.2.3'))).toBe(false);
    expect(matches('tcp://10.1.2.3', address('10.1.2.3'))).toBe(true);
    expect(matches('any://10.1.2.3', address('10.1.2.3', 53, undefined, 'udp'))).toBe(true);
  });

  it.each([
    ['', 'neither an address nor a port'],
    ['tcp://', 'neither an address nor a port'],
    ['http://10.0.0.1', '"http" is not one of'],
    ['10.0.0.0/33', '"/33" is not a prefix of 0 to 32'],
    ['fd00::/129', '"/129" is not a prefix of 0 to 128'],
    ['10.0.0.0/8/8', 'more than one "/"'],
    ['db.shop/24', 'not an IP address'],
    ['10.0.0.1:65536', '"65536" is not a port'],
    ['10.0.0.1:-1', '"-1" is not a port'],
    ['10.0.0.1:', '"" is not a port'],
    ['10.0.0.256', 'neither an IP address nor a host name'],
    ['10.1', 'neither an IP address nor a host name'],
    ['bad name', 'neither an IP address nor a host name'],
    ['-db', 'neither an IP address nor a host name'],
    ['fd00::1:443:x', 'is not a port'],
    ['a'.repeat(64), 'neither an IP address nor a host name'],
  ])('that reads %j is refused', (entry, reason) => {
    expect(() => parseAddressFilter(entry)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID_FILTER', message: expect.stringContaining(reason) }),
    );
    if (entry) expect(() => parseAddressFilter(entry)).toThrow(entry);
  });

  it('accepts the longest label and the highest numbers', () => {
    for (const entry of ['a'.repeat(63), '10.0.0.0/32', 'fd00::/128', '10.0.0.1:65535', '0.0.0.0/0']) {
      expect(() => parseAddressFilter(entry), entry).not.toThrow();
    }
  });
});
