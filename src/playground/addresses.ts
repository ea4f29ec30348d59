/** Addresses and names of the playground's network. They exist in its own network namespace only, so they cannot collide with the host's. */
export const NODE_NAME = 'playground';
/** The node's own address, which pods see as the host's. */
export const NODE_ADDRESS = '10.244.0.1';
export const POD_CIDR = '10.244.0.0/16';
export const POD_CIDR_V6 = 'fd00:10:244::/64';
export const SERVICE_CIDR = '10.96.0.0/16';
export const DNS_ADDRESS = '10.96.0.10';
export const API_SERVICE_ADDRESS = '10.96.0.1';
export const CLUSTER_DOMAIN = 'cluster.local';
/** Next hop of every pod: present on the node's end of each veth pair, so that all pod traffic is routed by the node. */
export const POD_GATEWAY = '169.254.1.1';
export const POD_GATEWAY_V6 = 'fe80::1';

/** Everything the node keeps on disk: a tmpfs in its own mount namespace, gone with the last process. */
export const STATE_FOLDER = '/run/playground';

/** The IPv6 address beside an IPv4 one of the pods' network: its last 16 bits are the same. */
export function ipv6Beside(address: string): string {
  const [, , high, low] = address.split('.').map(Number);
  return `fd00:10:244::${((high! << 8) | low!).toString(16)}`;
}

/** Hands out pod addresses; an address that was given back is reused last, so that stale connections rarely meet a new pod. */
export class AddressPool {
  readonly #dualStack: boolean;
  #next = 2;
  #free: string[] = [];

  constructor(dualStack: boolean) {
    this.#dualStack = dualStack;
  }

  /** All addresses of whom that IPv4 address belongs to, it first. */
  allOf(address: string): string[] {
    return this.#dualStack ? [address, ipv6Beside(address)] : [address];
  }

  take(): string {
    if (this.#next < 254 * 255) {
      const index = this.#next++;
      return `10.244.${Math.floor(index / 254)}.${(index % 254) + 1}`;
    }
    const address = this.#free.shift();
    if (address === undefined) throw new Error(`no free address left in ${POD_CIDR}`);
    return address;
  }

  release(address: string): void {
    this.#free.push(address);
  }
}
