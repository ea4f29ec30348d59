import { afterAll, beforeAll, expect, it } from 'vitest';
import { apply, createNamespace, runInPod, service } from '../support/cluster';
import { clusterEnv, preload, runForJson } from '../support/spawn-app';
import { type Addresses, codeMap, startPod, whyNoDualStack } from './dual-stack';
import { createPlace } from './running';
import { fixturePath } from './world';

/** Of which rules are made. */
interface Rules {
  six: string;
  loopback: string;
  subnet: string;
}

const ports = { both: 18_500, four: 18_501, six: 18_502 };

let namespace: string;
let drop: () => Promise<void>;
let helper: Addresses;
let target: { name: string; addresses: Addresses };
const reason = await whyNoDualStack();
if (reason) console.warn(`skipped: outgoing connections over IPv6 (${reason})`);

beforeAll(async () => {
  if (reason) return;
  ({ name: namespace, drop } = await createNamespace('ipv6-out'));
  const command = ['node', '/app/ipv6-servers.cjs', JSON.stringify(ports)];
  await apply(codeMap(namespace, 'ipv6-servers.cjs', 'ipv6-facts.cjs'), service(namespace, 'helper', [ports.both]));
  const { addresses } = await startPod(namespace, 'helper', command, { port: ports.both });
  helper = addresses;
  await apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'headless', namespace },
    spec: {
      clusterIP: 'None',
      ipFamilies: ['IPv4', 'IPv6'],
      selector: { app: 'helper' },
      ports: [{ port: ports.both }],
    },
  } as never);
  const [four, six] = addresses;
  const hostAliases = [
    { ip: four, hostnames: ['four', 'both'] },
    { ip: six, hostnames: ['six', 'both'] },
  ];
  target = await startPod(namespace, 'target', command, { port: ports.both, spec: { hostAliases } });
}, 120_000);
afterAll(() => drop?.());

const argument = () =>
  JSON.stringify({ helper, own: target.addresses, ports, headless: `headless.${namespace}.svc.cluster.local` });
const env = () => ({ ...clusterEnv('deployment/target', namespace), MIRRORD_PROGRESS: 'off' });

it.skipIf(reason)(
  'what a program sees that goes out over IPv6 is what it sees in the pod',
  { timeout: 90_000 },
  async () => {
    const pod = JSON.parse(await runInPod(namespace, target.name, ['node', '/app/ipv6-facts.cjs', argument()]));
    const args = ['-r', preload, fixturePath('ipv6-facts.cjs'), argument()];
    const client = await runForJson({ args, env: env(), limitMs: 60_000 });
    // That the comparison compares something.
    expect(pod['a literal']).toMatchObject({
      text: 'hello',
      ends: { remoteAddress: helper[1], localAddress: target.addresses[1] },
    });
    expect(pod.lookups['both {"family":6}']).toEqual({ address: helper[1], family: 6 });
    expect(pod.records[0]).toEqual([helper[1]]);
    for (const name of Object.keys(pod)) expect.soft(client[name], name).toEqual(pod[name]);
  },
);

it.skipIf(reason).each([
  ['an address', ({ loopback }: Rules) => ({ local: [loopback] })],
  ['a subnet', ({ subnet }: Rules) => ({ remote: [subnet] })],
  ['an address and a port', ({ six }: Rules) => ({ remote: [`tcp://[${six}]:${ports.both}`] })],
  ['a name', () => ({ remote: ['six'] })],
])('a rule decides by %s which connections go to the pod', { timeout: 60_000 }, async (_, rules) => {
  const [, six] = helper;
  const place = createPlace();
  try {
    const filter = rules({ six, loopback: '::1/128', subnet: `${six.replace(/::.*/, '::')}/64` });
    place.write('mirrord.json', JSON.stringify({ feature: { network: { outgoing: { filter } } } }));
    const names = ['a name with IPv6 only', 'the loopback of the pod'];
    const args = ['-r', preload, fixturePath('ipv6-facts.cjs'), argument(), ...names];
    const variables = { ...env(), MIRRORD_CONFIG_FILE: `${place.cwd}/mirrord.json` };
    const seen = await runForJson({ args, env: variables, limitMs: 50_000 });
    expect(seen[names[0]!].text).toBe('hello');
    // Nobody listens there on this machine.
    expect(seen[names[1]!].events.at(-1)).toMatchObject(['error', { code: 'ECONNREFUSED', address: '::1' }]);
  } finally {
    place.remove();
  }
});
