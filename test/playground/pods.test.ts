import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, until } from './support/cluster';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
}, 60_000);

afterAll(() => cluster?.stop());

describe('a pod of the playground', () => {
  it('is ready soon after it was created, and reports what a kubelet reports', async () => {
    const began = performance.now();
    await cluster.runPod('quick', 'sleep 1000');
    const pod = await cluster.waitReady('quick');
    const took = performance.now() - began;
    console.log(`playground ready in ${Math.round(cluster.startedIn)} ms, pod in ${Math.round(took)} ms`);
    expect(pod.status.phase).toBe('Running');
    expect(pod.status.podIP).toMatch(/^10\.244\./);
    expect(pod.status.conditions.map((one: any) => one.type)).toEqual([
      'PodReadyToStartContainers',
      'Initialized',
      'Ready',
      'ContainersReady',
      'PodScheduled',
    ]);
    const [status] = pod.status.containerStatuses;
    expect(status).toMatchObject({ name: 'c', ready: true, started: true, restartCount: 0 });
    expect(status.containerID).toMatch(/^containerd:\/\/[0-9a-f]{64}$/);
    expect((await cluster.events('quick')).map((one) => one.reason)).toEqual(
      expect.arrayContaining(['Scheduled', 'Pulled', 'Created', 'Started']),
    );
  });

  it('gets variables from values, ConfigMaps, Secrets, fields and resources', async () => {
    await cluster.create('configmaps', {
      metadata: { name: 'settings' },
      data: { COLOR: 'blue', 'dotted.key': 'dot' },
    });
    await cluster.create('secrets', { metadata: { name: 'keys' }, stringData: { PASSWORD: 'a=b "c"\nd' } });
    const text = await cluster.runScript('variables', 'node -p "JSON.stringify(process.env)"', {
      container: {
        env: [
          { name: 'FIRST', value: 'one' },
          { name: 'COMBINED', value: '$(FIRST)-$$(FIRST)-$(UNKNOWN)' },
          { name: 'SECRET', valueFrom: { secretKeyRef: { name: 'keys', key: 'PASSWORD' } } },
          { name: 'ABSENT', valueFrom: { configMapKeyRef: { name: 'settings', key: 'none', optional: true } } },
          { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          { name: 'LABEL', valueFrom: { fieldRef: { fieldPath: "metadata.labels['tier']" } } },
          { name: 'MEMORY', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
        ],
        envFrom: [{ prefix: 'CM_', configMapRef: { name: 'settings' } }],
        resources: { limits: { memory: '64Mi' } },
      },
      labels: { tier: 'back' },
    });
    const env = JSON.parse(text);
    expect(env).toMatchObject({
      FIRST: 'one',
      COMBINED: 'one-$(FIRST)-$(UNKNOWN)',
      SECRET: 'a=b "c"\nd',
      NAME: 'variables',
      LABEL: 'back',
      MEMORY: '64',
      CM_COLOR: 'blue',
      'CM_dotted.key': 'dot',
      HOSTNAME: 'variables',
      KUBERNETES_SERVICE_HOST: '10.96.0.1',
      KUBERNETES_SERVICE_PORT: '443',
    });
    expect(env.IP).toMatch(/^10\.244\./);
    expect(env).not.toHaveProperty('ABSENT');
  });

  it('mounts ConfigMap, Secret, downward, projected and emptyDir volumes, and writes again what changes', async () => {
    await cluster.create('configmaps', { metadata: { name: 'files' }, data: { 'a.txt': 'first', 'b.txt': 'b' } });
    await cluster.create('secrets', { metadata: { name: 'pass' }, stringData: { key: 'secret' } });
    await cluster.runPod('mounts', 'echo data > /shared/own; sleep 1000', {
      labels: { app: 'mounts' },
      container: {
        volumeMounts: [
          { name: 'cm', mountPath: '/etc/app' },
          { name: 'cm', mountPath: '/one/a.txt', subPath: 'a.txt' },
          { name: 'all', mountPath: '/all' },
          { name: 'shared', mountPath: '/shared' },
          { name: 'shared', mountPath: '/usr/local/mounted' },
        ],
      },
      spec: {
        volumes: [
          { name: 'cm', configMap: { name: 'files' } },
          { name: 'shared', emptyDir: {} },
          {
            name: 'all',
            projected: {
              sources: [
                { secret: { name: 'pass', items: [{ key: 'key', path: 'deep/key', mode: 0o400 }] } },
                { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
              ],
            },
          },
        ],
      },
    });
    await cluster.waitReady('mounts');
    const script =
      'cat /etc/app/a.txt /one/a.txt /all/deep/key /all/labels /usr/local/mounted/own; readlink /etc/app/a.txt; stat -Lc %a /all/deep/key; touch /etc/app/new; cat /var/run/secrets/kubernetes.io/serviceaccount/namespace';
    const { stdout, stderr } = await cluster.exec('mounts', ['bash', '-c', script]);
    expect(stdout).toBe('firstfirstsecretapp="mounts"data\n..data/a.txt\n400\ndefault');
    expect(stderr).toContain('Read-only file system');

    await cluster.call('PATCH', '/api/v1/namespaces/default/configmaps/files', {
      data: { 'a.txt': 'second', 'b.txt': null },
    });
    await until(async () => {
      const { stdout: now } = await cluster.exec('mounts', [
        'bash',
        '-c',
        'ls /etc/app; cat /etc/app/a.txt /one/a.txt',
      ]);
      return now === 'a.txt\nsecondfirst' ? true : undefined;
    }, 'the changed ConfigMap in the volume (and not in the subPath)');
  });

  it('waits with FailedMount for a ConfigMap that does not exist yet', async () => {
    await cluster.runPod('waiting', 'cat /cm/x; echo; sleep 1000', {
      container: { volumeMounts: [{ name: 'v', mountPath: '/cm' }] },
      spec: { volumes: [{ name: 'v', configMap: { name: 'later' } }] },
    });
    await until(
      async () => (await cluster.events('waiting')).find((one) => one.message.includes('configmap "later" not found')),
      'the FailedMount event',
    );
    expect((await cluster.pod('waiting')).status.containerStatuses[0].state.waiting.reason).toBe('ContainerCreating');
    await cluster.create('configmaps', { metadata: { name: 'later' }, data: { x: 'here' } });
    await cluster.waitReady('waiting');
    await until(async () => ((await cluster.logs('waiting')) === 'here\n' ? true : undefined), 'the file in the log');
  });

  it('has its own host name, hosts, resolver configuration and processes', async () => {
    const text = await cluster.runScript(
      'identity',
      'hostname; cat /etc/hosts /etc/resolv.conf; ls /proc | grep -c "^[0-9]"',
      {
        spec: { hostAliases: [{ ip: '10.9.8.7', hostnames: ['db.example', 'db'] }] },
      },
    );
    expect(text).toMatch(/^identity\n# Kubernetes-managed hosts file\.\n127\.0\.0\.1\tlocalhost\n/);
    expect(text).toMatch(/\n10\.244\.\d+\.\d+\tidentity\n/);
    expect(text).toContain('# Entries added by HostAliases.\n10.9.8.7\tdb.example\tdb\n');
    expect(text).toContain(
      'search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n',
    );
    expect(Number(text.trim().split('\n').pop())).toBeLessThan(6);
  });

  it('has the default capabilities and no others, unless it asks', async () => {
    const show = 'grep CapEff /proc/self/status | cut -f2';
    const [plain, none, more, all] = await Promise.all([
      cluster.runScript('caps-plain', show),
      cluster.runScript('caps-none', show, { container: { securityContext: { capabilities: { drop: ['ALL'] } } } }),
      cluster.runScript('caps-more', show, {
        container: { securityContext: { capabilities: { add: ['NET_ADMIN'], drop: ['CHOWN'] } } },
      }),
      cluster.runScript('caps-all', show, { container: { securityContext: { privileged: true } } }),
    ]);
    expect(plain.trim()).toBe('00000000a80425fb');
    expect(none.trim()).toBe('0000000000000000');
    expect(more.trim()).toBe('00000000a80435fa');
    expect(BigInt(`0x${all.trim()}`) & (1n << 21n)).not.toBe(0n);
  });

  it('cannot change the network without NET_ADMIN, and can with it', async () => {
    const rule = 'nft add table ip mine && nft list tables; true';
    expect(await cluster.runScript('no-admin', rule)).toContain('Operation not permitted');
    const text = await cluster.runScript('admin', rule, {
      container: { securityContext: { capabilities: { add: ['NET_ADMIN'] } } },
    });
    expect(text).toBe('table ip mine\n');
  });

  it('sees container ids of other pods only with hostPID, and can then enter them with the right capabilities', async () => {
    const target = await cluster.waitReady('quick');
    const id = target.status.containerStatuses[0].containerID.slice('containerd://'.length);
    const scan = `grep -l "cri-containerd-${id}.scope" /proc/[0-9]*/cgroup 2>/dev/null`;
    const hidden = await cluster.runScript('scan-plain', `${scan} || echo none`);
    expect(hidden.trim()).toBe('none');
    const add = ['NET_ADMIN', 'SYS_ADMIN', 'SYS_PTRACE'];
    const script = `file=$(${scan}); pid=$(basename $(dirname $file)); tr '\\0' ' ' < /proc/$pid/cmdline; echo; cat /proc/$pid/root/etc/hostname; nsenter -t $pid -n ip -4 -br addr show eth0`;
    const seen = await cluster.runScript('scan-host', script, {
      spec: { hostPID: true },
      container: { securityContext: { capabilities: { add } } },
    });
    expect(seen).toContain('sleep 1000');
    expect(seen).toContain('quick\n');
    expect(seen).toContain(`${target.status.podIP}/32`);
  });

  it('shows the mark of a container that starts after the observer', async () => {
    await cluster.runPod('observer', 'sleep 1000', { spec: { hostPID: true } });
    await cluster.waitReady('observer');
    await cluster.runPod('newcomer', 'sleep 1000');
    const id = (await cluster.waitReady('newcomer')).status.containerStatuses[0].containerID.slice(
      'containerd://'.length,
    );
    const { stdout } = await cluster.exec('observer', [
      'bash',
      '-c',
      `grep -l ${id} /proc/[0-9]*/cgroup 2>/dev/null | wc -l`,
    ]);
    expect(stdout.trim()).toBe('1');
  });

  it('may log by opening /dev/stdout and /dev/stderr by name', async () => {
    const text = await cluster.runScript('devices', 'echo one > /dev/stdout; echo two > /dev/stderr; printf three');
    expect(text.split('\n').sort()).toEqual(['one', 'three', 'two']);
  });
});
