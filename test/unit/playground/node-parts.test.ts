import { mkdtempSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import packet from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { Backoff, goDuration } from '../../../src/playground/backoff';
import { effectiveCapabilities, setprivArguments } from '../../../src/playground/capabilities';
import { cgroupLine } from '../../../src/playground/cgroup-mark';
import { answerQuestion } from '../../../src/playground/dns-server';
import { commandOf, DEFAULT_AGENT_IMAGE, ImagePullError, resolveImage } from '../../../src/playground/images';
import { writePayload } from '../../../src/playground/payload-folder';
import { resolverConfiguration } from '../../../src/playground/pod-files';
import { runProbe } from '../../../src/playground/probe-loop';
import { fstabField, quote } from '../../../src/playground/shell-quote';
import { createStore } from '../../../src/playground/store';

describe('images', () => {
  const agentBundle = import.meta.filename;

  it('resolves the playground’s own and every tag of the agent', () => {
    for (const name of [
      'playground/agent:1',
      DEFAULT_AGENT_IMAGE,
      `${DEFAULT_AGENT_IMAGE}:1.2.3`,
      `${DEFAULT_AGENT_IMAGE}@sha256:00`,
    ]) {
      const image = resolveImage(name, { agentBundle });
      expect(image.isAgent).toBe(true);
      expect(image.entrypoint[1]).toBe('/opt/mirrord/agent.cjs');
    }
    expect(resolveImage('playground/node:1', { agentBundle }).entrypoint).toEqual([]);
  });

  it.each(['playground/node:2', 'nginx', `${DEFAULT_AGENT_IMAGE}-evil:1`, 'localhost:5000/a/b'])(
    'cannot pull %s',
    (name) => expect(() => resolveImage(name, { agentBundle })).toThrow(ImagePullError),
  );

  it('names the registry a runtime would have asked', () => {
    expect(() => resolveImage('nginx', { agentBundle })).toThrow(
      'failed to pull and unpack image "docker.io/library/nginx:latest"',
    );
    expect(() => resolveImage('localhost:5000/a/b', { agentBundle })).toThrow(
      'Head "https://localhost:5000/v2/a/b/manifests/latest"',
    );
  });

  it('shows a Node outside /usr under /opt/node only', () => {
    const image = resolveImage('playground/node:1', { agentBundle, execPath: '/home/dev/.nvm/v20/bin/node' });
    expect(image.binds).toContainEqual({ source: '/home/dev/.nvm/v20/bin/node', target: '/opt/node/bin/node' });
    expect(image.env.PATH).toMatch(/^\/opt\/node\/bin:/);
  });

  it('replaces entrypoint and cmd as Kubernetes does', () => {
    const image: any = { entrypoint: ['e'], cmd: ['c'] };
    expect(commandOf(image, {})).toEqual(['e', 'c']);
    expect(commandOf(image, { args: ['a'] })).toEqual(['e', 'a']);
    expect(commandOf(image, { command: ['x'] })).toEqual(['x']);
    expect(commandOf(image, { command: ['x'], args: ['a'] })).toEqual(['x', 'a']);
  });
});

describe('capabilities', () => {
  it('adds to and drops from the default set, in any spelling', () => {
    expect(effectiveCapabilities({})).toHaveLength(14);
    expect(effectiveCapabilities({ capabilities: { add: ['CAP_NET_ADMIN'], drop: ['chown'] } })).toEqual(
      expect.arrayContaining(['net_admin']),
    );
    expect(effectiveCapabilities({ capabilities: { drop: ['ALL'], add: ['KILL'] } })).toEqual(['kill']);
    expect(effectiveCapabilities({ privileged: true })).toBeUndefined();
    expect(effectiveCapabilities({ capabilities: { add: ['ALL'] } })).toBeUndefined();
  });

  it('keeps the groups where the kernel forbids changing them', () => {
    expect(setprivArguments({ runAsUser: 5 }, true)).toEqual(
      expect.arrayContaining(['--reuid=5', '--regid=0', '--clear-groups']),
    );
    expect(setprivArguments({ runAsGroup: 7 }, false)).toEqual(
      expect.arrayContaining(['--reuid=0', '--regid=7', '--keep-groups']),
    );
    expect(setprivArguments({ privileged: true }, true)).toEqual([]);
  });
});

describe('small parts of the node', () => {
  it('quotes for the shell and for fstab', () => {
    expect(quote("it's")).toBe(`'it'\\''s'`);
    expect(quote('plain-1.2/x')).toBe('plain-1.2/x');
    expect(fstabField('a b\t\\#')).toBe('a\\040b\\011\\134\\043');
  });

  it('writes the cgroup of each quality of service as the systemd driver does', () => {
    expect(cgroupLine('ab', 'a-b', 'Burstable')).toBe(
      '0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda_b.slice/cri-containerd-ab.scope\n',
    );
    expect(cgroupLine('ab', 'a-b', 'Guaranteed')).toBe(
      '0::/kubepods.slice/kubepods-poda_b.slice/cri-containerd-ab.scope\n',
    );
  });

  it('backs off 0, 10, 20… seconds up to five minutes, and forgets after ten good minutes', () => {
    const backoff = new Backoff();
    const delays = Array.from({ length: 8 }, () => backoff.next(0) / 1000);
    expect(delays).toEqual([0, 10, 20, 40, 80, 160, 300, 300]);
    expect(backoff.next(599_999)).toBe(300_000);
    expect(backoff.next(600_000)).toBe(0);
    expect([10_000, 80_000, 300_000].map(goDuration)).toEqual(['10s', '1m20s', '5m0s']);
  });

  it('swaps all files of a volume in one step', () => {
    const folder = mkdtempSync(join(tmpdir(), 'payload-'));
    const file = (text: string) => ({ content: Buffer.from(text), mode: 0o644 });
    writePayload(
      folder,
      new Map([
        ['a', file('1')],
        ['d/b', file('2')],
      ]),
    );
    const first = readlinkSync(join(folder, '..data'));
    writePayload(folder, new Map([['a', file('3')]]));
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('3');
    expect(readdirSync(folder).sort()).toEqual([readlinkSync(join(folder, '..data')), '..data', 'a'].sort());
    const second = readlinkSync(join(folder, '..data'));
    expect(second).not.toBe(first);
    writePayload(folder, new Map([['a', file('3')]]));
    expect(readlinkSync(join(folder, '..data'))).toBe(second);
    writePayload(folder, new Map([['a', { ...file('3'), mode: 0o600 }]]));
    expect(readlinkSync(join(folder, '..data'))).not.toBe(second);
  });

  it('writes resolv.conf by policy', () => {
    const pod = (spec: any): any => ({ metadata: { namespace: 'ns' }, spec });
    expect(resolverConfiguration(pod({}))).toContain('search ns.svc.cluster.local svc.cluster.local cluster.local\n');
    expect(
      resolverConfiguration(
        pod({
          dnsPolicy: 'None',
          dnsConfig: { nameservers: ['1.2.3.4'], options: [{ name: 'ndots', value: '2' }, { name: 'rotate' }] },
        }),
      ),
    ).toBe('nameserver 1.2.3.4\noptions ndots:2 rotate\n');
    expect(resolverConfiguration(pod({ hostNetwork: true }))).not.toContain('search');
  });

  it('fails a probe at its threshold and not before, without counting the early checks', async () => {
    const stop = new AbortController();
    let checks = 0;
    let misses = 0;
    await runProbe({
      probe: { periodSeconds: 0.2, failureThreshold: 3 },
      check: async () => ({ ok: ++checks < 0, message: 'no' }),
      onPass: () => {},
      onMiss: () => misses++,
      onFail: () => stop.abort(),
      eager: true,
      signal: stop.signal,
    });
    expect(misses).toBe(3);
    expect(checks).toBeGreaterThan(3);
  });
});

describe('the DNS server', () => {
  const ask = (name: string, type: packet.StringRecordType, store = createStore(), limit = 1232) => {
    const query = packet.encode({ type: 'query', id: 7, flags: packet.RECURSION_DESIRED, questions: [{ name, type }] });
    return packet.decode(answerQuestion(store, query, limit)!) as packet.DecodedPacket & { rcode: string };
  };
  const alias = (store: ReturnType<typeof createStore>, name: string, externalName: string) =>
    store.create('services', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: { type: 'ExternalName', externalName },
    });

  it('ends a circle of aliases', () => {
    const store = createStore();
    alias(store, 'a', 'b.default.svc.cluster.local');
    alias(store, 'b', 'a.default.svc.cluster.local');
    const { answers } = ask('a.default.svc.cluster.local', 'A', store, Number.POSITIVE_INFINITY);
    expect(answers!.length).toBe(9);
  });

  it('says NXDOMAIN for what it does not know, and nothing to what is no question', () => {
    const { id, rcode, questions } = ask('example.com', 'A');
    expect({ id, rcode }).toEqual({ id: 7, rcode: 'NXDOMAIN' });
    expect(questions).toHaveLength(1);
    expect(answerQuestion(createStore(), Buffer.from('junk'), 512)).toBeUndefined();
    expect(answerQuestion(createStore(), Buffer.alloc(0), 512)).toBeUndefined();
  });

  it('cuts an answer that does not fit a datagram and says so', () => {
    const store = createStore();
    store.create('services', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'many' },
      spec: { clusterIP: 'None', ports: [] },
    });
    const addresses = Array.from({ length: 60 }, (_, index) => ({ ip: `10.244.0.${index + 2}` }));
    store.create('endpoints', {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name: 'many' },
      subsets: [{ addresses, ports: [] }],
    });
    const response = ask('many.default.svc.cluster.local', 'A', store);
    expect(response.flag_tc).toBe(true);
    expect(response.answers).toEqual([]);
    const query = packet.encode({
      type: 'query',
      id: 1,
      questions: [{ name: 'many.default.svc.cluster.local', type: 'A' }],
    });
    expect((packet.decode(answerQuestion(store, query, Number.POSITIVE_INFINITY)!) as any).answers).toHaveLength(60);
  });
});
