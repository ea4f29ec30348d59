import { readFileSync } from 'node:fs';
import {
  API_SERVICE_ADDRESS,
  DNS_ADDRESS,
  ipv6Beside,
  NODE_ADDRESS,
  NODE_NAME,
  SERVICE_CIDR,
  STATE_FOLDER,
} from './addresses';
import { findTool, run } from './tools';

/** Whether a network namespace that is made now has IPv6, as those of the pods will be. */
export function hasIPv6(): boolean {
  try {
    const disabled = (name: string) => readFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, 'latin1').trim();
    return disabled('all') === '0' && disabled('default') === '0';
  } catch {
    return false;
  }
}

/**
 * Turns fresh namespaces into a node: its own /proc and /run, a host name, an address, forwarding. /proc is shared so that the marks on
 * processes made later show in pods that see the node's processes.
 */
export async function setUpNode(dualStack: boolean): Promise<void> {
  const script = `set -e
mount -t proc proc /proc
mount --make-shared /proc
mount -t tmpfs -o mode=755 playground /run
mkdir -p ${STATE_FOLDER} /run/lock
hostname ${NODE_NAME}
echo 1 > /proc/sys/net/ipv4/ip_forward
${dualStack ? 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding' : ''}
${findTool('ip')} -b - <<'END'
link set lo up
link add pg0 type veth peer name pg1
link set pg0 up
link set pg1 up
addr add ${NODE_ADDRESS}/32 dev pg0
addr add ${DNS_ADDRESS}/32 dev pg0
addr add ${API_SERVICE_ADDRESS}/32 dev pg0
route add ${SERVICE_CIDR} dev pg0
${dualStack ? `addr add ${ipv6Beside(NODE_ADDRESS)}/128 dev pg0 nodad` : ''}
END
`;
  await run('sh', ['-c', script]);
}
