import { readFileSync } from 'node:fs';

/** Whether the pod has an address and a route of that family beyond loopback. */
export interface Families {
  ipv4: boolean;
  ipv6: boolean;
}

const RTF_UP = 0x1;
const RTF_REJECT = 0x200;

/** `/proc/net/route`: a header, then `iface destination gateway flags …` in hex. */
export function routesIPv4(table: string): boolean {
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .some(([device, , , flags]) => device !== undefined && device !== 'lo' && isUsable(flags));
}

/** `/proc/net/ipv6_route`: `destination length source length gateway metric refs use flags device`. */
export function routesIPv6(table: string): boolean {
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .some(([destination, , , , , , , , flags, device]) => {
      if (destination === undefined || device === undefined || device === 'lo' || !isUsable(flags)) return false;
      // Every interface has link-local and multicast routes: they lead nowhere beyond the link.
      return !/^(fe80|ff)/.test(destination);
    });
}

/** `/proc/net/if_inet6`: `address index length scope flags device`; scope 00 is global. */
export function hasGlobalIPv6(addresses: string): boolean {
  return addresses.split('\n').some((line) => line.trim().split(/\s+/)[3] === '00');
}

function isUsable(hexFlags: string | undefined): boolean {
  const flags = Number.parseInt(hexFlags ?? '', 16);
  return (flags & RTF_UP) !== 0 && (flags & RTF_REJECT) === 0;
}

/** Looks at the network namespace of the calling process. Where a family's file is absent the kernel has not got it. */
export function detectFamilies(): Families {
  return {
    ipv4: routesIPv4(readOrEmpty('/proc/self/net/route')),
    ipv6: hasGlobalIPv6(readOrEmpty('/proc/self/net/if_inet6')) && routesIPv6(readOrEmpty('/proc/self/net/ipv6_route')),
  };
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
