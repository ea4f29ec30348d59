import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, until } from './support/cluster';

const switchedOff = '/proc/sys/net/ipv6/conf/default/disable_ipv6';
const reason =
  existsSync(switchedOff) && readFileSync(switchedOff, 'latin1').trim() === '0'
    ? undefined
    : 'this machine’s kernel has no IPv6';
if (reason) console.warn(`skipped: pods with two addresses (${reason})`);

/** Answers with the address of whoever asks, on all addresses of both families. */
const SERVER = `exec node -e "require('http').createServer((q,s)=>s.end(q.socket.remoteAddress)).listen(8080)"`;
const web = { readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } };
const downward = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });

async function startPods(cluster: Cluster): Promise<void> {
  const env = [downward('POD_IPS', 'status.podIPs'), downward('HOST_IPS', 'status.hostIPs')];
  await Promise.all([
    cluster.runPod('web', SERVER, {
      container: web,
      labels: { app: 'web' },
      spec: { hostname: 'first', subdomain: 'peers' },
    }),
    cluster.runPod('client', 'sleep 1000', { container: { env } }),
    cluster.runPod('on-node', 'sleep 1000', { spec: { hostNetwork: true } }),
  ]);
  await Promise.all(['web', 'client', 'on-node'].map((name) => cluster.waitReady(name)));
}

describe.skipIf(reason)('pods where the kernel has IPv6', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start();
    await startPods(cluster);
  }, 60_000);
  afterAll(() => cluster?.stop());

  const sh = async (pod: string, script: string) => (await cluster.exec(pod, ['bash', '-c', script])).stdout.trim();
  const addressesOf = async (pod: string): Promise<string[]> =>
    (await cluster.pod(pod)).status.podIPs.map(({ ip }: { ip: string }) => ip);

  it('have an address of each family, as their status, hosts file and variables tell', async () => {
    const { status } = await cluster.pod('client');
    const addresses = await addressesOf('client');
    expect(addresses).toEqual([
      expect.stringMatching(/^10\.244\.\d+\.\d+$/),
      expect.stringMatching(/^fd00:10:244::[0-9a-f]+$/),
    ]);
    expect(status.podIP).toBe(addresses[0]);
    expect(status.hostIPs).toEqual([{ ip: '10.244.0.1' }, { ip: 'fd00:10:244::1' }]);
    expect(await sh('client', 'printenv POD_IPS HOST_IPS')).toBe(`${addresses.join(',')}\n10.244.0.1,fd00:10:244::1`);
    expect(await sh('client', 'grep client /etc/hosts')).toBe(addresses.map((one) => `${one}\tclient`).join('\n'));
    const name = 'first.peers.default.svc.cluster.local\tfirst';
    expect(await sh('web', 'grep first /etc/hosts')).toBe(
      (await addressesOf('web')).map((one) => `${one}\t${name}`).join('\n'),
    );
  });

  it('reach each other, themselves and the node over both, under their own addresses', async () => {
    const [client, target] = await Promise.all([addressesOf('client'), addressesOf('web')]);
    const ask = (pod: string, host: string) => sh(pod, `curl -s -m 5 'http://${host}:8080/'`);
    expect(await ask('client', `[${target[1]}]`)).toBe(client[1]);
    expect(await ask('client', target[0]!)).toBe(`::ffff:${client[0]}`);
    expect(await ask('web', `[${target[1]}]`)).toBe(target[1]);
    expect(await ask('web', '[::1]')).toBe('::1');
    // The node is whoever runs on its network; to pods it has its own addresses.
    expect(await ask('on-node', `[${target[1]}]`)).toBe('fd00:10:244::1');
    expect(await addressesOf('on-node')).toEqual(['10.244.0.1', 'fd00:10:244::1']);
    const refused = `require('net').connect(9,'fd00:10:244::1').on('error',(e)=>console.log(e.code))`;
    expect(await sh('client', `node -e "${refused}"`)).toBe('ECONNREFUSED');
  });

  it('are found by both under the name of a headless service that wants both', async () => {
    const metadata = { name: 'peers' };
    const spec = { clusterIP: 'None', ipFamilies: ['IPv4', 'IPv6'], selector: { app: 'web' }, ports: [{ port: 8080 }] };
    await cluster.create('services', { apiVersion: 'v1', kind: 'Service', metadata, spec });
    const [four, six] = (await addressesOf('web')) as [string, string];
    const full = 'peers.default.svc.cluster.local';
    const script = `const { resolve4, resolve6 } = require('dns').promises;
      Promise.all([resolve4('${full}'), resolve6('${full}'), resolve6('first.${full}')]).then((all) => console.log(JSON.stringify(all)), (error) => console.log(error.code))`;
    const found = await until(async () => {
      const text = await sh('client', `node -e "${script}"`);
      return text.startsWith('[') ? text : undefined;
    }, 'the names');
    expect(JSON.parse(found)).toEqual([[four], [six], [six]]);
    expect(await sh('client', 'curl -s -6 -m 5 http://peers:8080/')).toBe((await addressesOf('client'))[1]);
    const { json } = await cluster.call('GET', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices');
    const slices = json.items.filter((one: any) => one.metadata.labels['kubernetes.io/service-name'] === 'peers');
    expect(slices.map((one: any) => [one.addressType, one.endpoints[0].addresses[0]]).sort()).toEqual([
      ['IPv4', four],
      ['IPv6', six],
    ]);
  });

  it('are on a node that says which addresses they get', async () => {
    const { json } = await cluster.call('GET', '/api/v1/nodes/playground');
    expect(json.spec.podCIDRs).toEqual(['10.244.0.0/16', 'fd00:10:244::/64']);
    expect(json.status.addresses).toContainEqual({ type: 'InternalIP', address: 'fd00:10:244::1' });
  });
});

describe('pods without IPv6', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ ipv6: false });
    await startPods(cluster);
  }, 60_000);
  afterAll(() => cluster?.stop());

  it('have one address, and nothing tells of another', async () => {
    const { podIP, podIPs, hostIPs } = (await cluster.pod('client')).status;
    expect([podIPs, hostIPs]).toEqual([[{ ip: podIP }], [{ ip: '10.244.0.1' }]]);
    const { stdout } = await cluster.exec('client', ['bash', '-c', 'cat /etc/hosts; printenv POD_IPS; ip -6 route']);
    expect(stdout).toContain(`\n${podIP}\n`);
    expect(stdout).not.toContain('fd00:');
    expect(stdout).not.toContain('default');
    const { json } = await cluster.call('GET', '/api/v1/nodes/playground');
    expect(json.spec.podCIDRs).toEqual(['10.244.0.0/16']);
  });
});
