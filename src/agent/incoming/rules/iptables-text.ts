import type { Exemption, Redirect } from './rules';

const SYN = '--tcp-flags FIN,SYN,RST,ACK SYN';

/** Names of the chains of one agent; at most 28 characters each, as iptables has it. */
export const chainsOf = (id: string) => ({
  inbound: `MIRRORD_IN_${id}`,
  own: `MIRRORD_OUT_${id}`,
  guard: `MIRRORD_KEEP_${id}`,
});

/**
 * Input of `iptables-restore --noflush` for one family: all rules of the agent's own chains, in place of those before. Behind
 * the rules of a sidecar, as chains are appended to.
 */
export function restoreText(id: string, family: 4 | 6, all: Redirect[], { address, group }: Exemption): string {
  const { inbound, own, guard } = chainsOf(id);
  const redirects = all.filter((redirect) => redirect.family === family);
  const to = ({ port, listener }: Redirect) => `-p tcp --dport ${port} ${SYN} -j REDIRECT --to-ports ${listener}`;
  const beyond = redirects.filter((redirect) => redirect.address !== 'loopback');
  const inside = family === 4 || group !== undefined ? redirects : [];
  return [
    '*nat',
    `:${inbound} - [0:0]`,
    `:${own} - [0:0]`,
    ...beyond.map((redirect) => `-A ${inbound} -d ${redirect.address} ${to(redirect)}`),
    ...(family === 4 ? [`-A ${own} -s ${address} -j RETURN`] : []),
    ...(group === undefined ? [] : [`-A ${own} -m owner --gid-owner ${group} -j RETURN`]),
    ...inside.map((redirect) => `-A ${own} -d ${destination(redirect)} ${to(redirect)}`),
    'COMMIT',
    '*filter',
    `:${guard} - [0:0]`,
    ...redirects.map(
      ({ listener }) =>
        `-A ${guard} -p tcp --dport ${listener} -m conntrack ! --ctstate DNAT -j REJECT --reject-with tcp-reset`,
    ),
    // Without a target: it only keeps connection tracking on for connections that are redirected.
    `-A ${guard} -m conntrack --ctstate ESTABLISHED`,
    'COMMIT',
    '',
  ].join('\n');
}

const destination = ({ address, family }: Redirect): string =>
  address === 'loopback' ? (family === 4 ? '127.0.0.0/8' : '::1') : address;

/** How the chains hang in the tables: table, chain it hangs in, and the rule. */
const hooks = (id: string): [table: string, chain: string, rule: string][] => {
  const { inbound, own, guard } = chainsOf(id);
  return [
    ['nat', 'PREROUTING', `-j ${inbound}`],
    ['nat', 'OUTPUT', `-o lo -j ${own}`],
    ['filter', 'INPUT', `-j ${guard}`],
  ];
};

/** A shell script that hangs the chains in, once they are there. */
export function hookScript(id: string, tool: string): string {
  return hooks(id)
    .map(([table, chain, rule]) => `${tool} -w -t ${table} -A ${chain} ${rule}`)
    .join(' && ');
}

/** A shell script that takes everything away, as often as it is run. */
export function cleanupScript(id: string): string {
  const { inbound, own, guard } = chainsOf(id);
  const lines = ['iptables', 'ip6tables'].flatMap((tool) => [
    ...hooks(id).map(([table, chain, rule]) => `${tool} -w -t ${table} -D ${chain} ${rule}`),
    ...[inbound, own].flatMap((name) => [`${tool} -w -t nat -F ${name}`, `${tool} -w -t nat -X ${name}`]),
    ...[`${tool} -w -t filter -F ${guard}`, `${tool} -w -t filter -X ${guard}`],
  ]);
  return lines.map((line) => `${line} 2>/dev/null`).join('; ');
}

/** A shell script that takes away all chains of agents that live no more, in the network namespace it runs in. */
export function sweepScript(): string {
  const ids = (tool: string) =>
    `${tool}-save -t nat 2>/dev/null | sed -n 's/^:${chainsOf('').inbound}\\([0-9a-f]*\\) .*/\\1/p'`;
  return `for id in $(${ids('iptables')}; ${ids('ip6tables')}); do
    grep -q "@mirrord-rules-$id" /proc/net/unix || { ${cleanupScript('$id')}; }
  done`;
}
