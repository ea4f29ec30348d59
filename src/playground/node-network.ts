import { API_SERVICE_ADDRESS, DNS_ADDRESS, NODE_ADDRESS, NODE_NAME, SERVICE_CIDR, STATE_FOLDER } from './addresses';
import { findTool, run } from './tools';

/**
 * Turns fresh namespaces into a node: its own /proc and /run, a host name, an address, forwarding. /proc is shared so that the marks on
 * processes made later show in pods that see the node's processes.
 */
export async function setUpNode(): Promise<void> {
  const script = `set -e
mount -t proc proc /proc
mount --make-shared /proc
mount -t tmpfs -o mode=755 playground /run
mkdir -p ${STATE_FOLDER} /run/lock
hostname ${NODE_NAME}
echo 1 > /proc/sys/net/ipv4/ip_forward
${findTool('ip')} -b - <<'END'
link set lo up
link add pg0 type veth peer name pg1
link set pg0 up
link set pg1 up
addr add ${NODE_ADDRESS}/32 dev pg0
addr add ${DNS_ADDRESS}/32 dev pg0
addr add ${API_SERVICE_ADDRESS}/32 dev pg0
route add ${SERVICE_CIDR} dev pg0
END
`;
  await run('sh', ['-c', script]);
}
