import { type Exemption, FIRST_PACKET, type Redirect } from './rules';

/**
 * One line that makes the table. The priorities are one behind those of iptables, so that what a sidecar's own rules
 * redirect stays theirs, and what they leave alone (the sidecar's connection to the application, ports it skips) is ours.
 */
export function createTable(table: string): string {
  const chain = (name: string, type: string, priority: string) =>
    `add chain inet ${table} ${name} { type ${type} hook ${name} priority ${priority}; }`;
  return [
    `add table inet ${table} { flags owner; }`,
    chain('prerouting', 'nat', '-99'),
    chain('output', 'nat', '-99'),
    chain('input', 'filter', '0'),
  ].join('; ');
}

/**
 * One line, and so one transaction, that puts these redirects in place of all others.
 *
 * The chains and the rule on connection tracking stay even without redirects: without either, connections that were
 * redirected are cut.
 */
export function replaceRules(
  table: string,
  redirects: Redirect[],
  { address, group }: Exemption,
  mark: string,
): string {
  const rule = (chain: string, text: string) => `add rule inet ${table} ${chain} ${text}`;
  const to = ({ port, listener }: Redirect) => `tcp dport ${port} ${FIRST_PACKET} redirect to :${listener}`;
  const beyond = redirects.filter((redirect) => redirect.address !== 'loopback');
  // Without a group the agent's own connections over IPv6 could not be told from others, and would come back to it.
  const inside = redirects.filter(({ family }) => family === 4 || group !== undefined);
  return [
    ...['prerouting', 'output', 'input'].map((chain) => `flush chain inet ${table} ${chain}`),
    ...beyond.map((redirect) => rule('prerouting', `${destination(redirect)} ${to(redirect)}`)),
    rule('output', `ip saddr ${address} return`),
    ...(group === undefined ? [] : [rule('output', `meta skgid ${group} return`)]),
    ...inside.map((redirect) => rule('output', `oifname lo ${destination(redirect)} ${to(redirect)}`)),
    // Nobody reaches a listener but by the port it stands for.
    ...redirects.map(({ listener }) =>
      rule('input', `tcp dport ${listener} ct status & dnat == 0 reject with tcp reset`),
    ),
    keepTracking(table, mark),
  ].join('; ');
}

/** A rule that keeps connection tracking on; `mark` is found again in a listing. */
export const keepTracking = (table: string, mark: string): string =>
  `add rule inet ${table} input ct state established accept comment "${mark}"`;

function destination({ address, family }: Redirect): string {
  if (family === 6) return `ip6 daddr ${address === 'loopback' ? '::1' : address}`;
  return `ip daddr ${address === 'loopback' ? '127.0.0.0/8' : address}`;
}
