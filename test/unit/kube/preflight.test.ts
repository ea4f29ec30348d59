import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load-config';
import { openCluster } from '../../../src/kube/cluster';
import type { Check } from '../../../src/kube/preflight/check';
import { warningsOf } from '../../../src/kube/preflight/dry-run';
import { detectMesh } from '../../../src/kube/preflight/mesh';
import { runPreflight } from '../../../src/kube/preflight/preflight';
import { quantity } from '../../../src/kube/quantity';
import { cli, root, runProcess } from '../../support/run-process';
import { ScriptedApi, status } from '../../support/scripted-api';
import { targetPod } from '../../support/scripted-cluster';

let api: ScriptedApi;
/** `verb resource namespace` that are not granted. */
let denied: Set<string>;
let pod: any;
let node: any;

beforeEach(async () => {
  api = await ScriptedApi.start();
  denied = new Set();
  pod = targetPod();
  node = {
    metadata: { name: 'node1' },
    spec: {},
    status: {
      allocatable: { pods: '110' },
      nodeInfo: { kernelVersion: '6.1.0', osImage: 'Linux', operatingSystem: 'linux' },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
  api.on('GET /version', () => ({ gitVersion: 'v1.36.2' }));
  api.on('POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews', ({ body }) => {
    const { verb, resource, subresource, namespace } = body.spec.resourceAttributes;
    const path = [resource, subresource].filter(Boolean).join('/');
    return { status: { allowed: !denied.has(`${verb} ${path} ${namespace}`) } };
  });
  api.on('POST /apis/authentication.k8s.io/v1/selfsubjectreviews', () => ({
    status: { userInfo: { username: 'system:serviceaccount:team:dev' } },
  }));
  api.on('GET /api/v1/namespaces/default/pods/web-1', () => pod);
  api.on('GET /api/v1/nodes/node1', () => node);
  api.on('GET /api/v1/pods', () => ({ items: [pod] }));
  for (const namespace of ['default', 'agents']) {
    api.on(`GET /api/v1/namespaces/${namespace}`, () => ({ metadata: { name: namespace } }));
    api.on(`GET /api/v1/namespaces/${namespace}/resourcequotas`, () => ({ items: [] }));
    api.on(`POST /apis/batch/v1/namespaces/${namespace}/jobs`, ({ body }) => body);
    api.on(`POST /api/v1/namespaces/${namespace}/pods`, ({ body }) => body);
  }
  api.on('PATCH /api/v1/namespaces/default/pods/web-1/ephemeralcontainers', () => pod);
});
afterEach(() => api.stop());

async function examine(agent: object = {}, target = 'pod/web-1'): Promise<Check[]> {
  const { config } = loadConfig({ target, kubeconfig: api.kubeconfig, agent }, {}, '/');
  const cluster = await openCluster(config, {});
  try {
    return await runPreflight(cluster, config);
  } finally {
    cluster.close();
  }
}
const named = (checks: Check[], name: string) => checks.find((check) => check.name === name)!;
const failures = (checks: Check[]) => checks.filter((check) => check.status === 'failed').map(({ name }) => name);

it('finds nothing to complain of where all is well, and creates nothing', async () => {
  const checks = await examine();
  expect(checks.filter((check) => check.status !== 'ok')).toEqual([]);
  const writes = api.requests.filter(({ method, path }) => method !== 'GET' && !/reviews$/.test(path));
  expect(writes.map(({ query }) => query.get('dryRun'))).toEqual(['All', 'All']);
});

describe('Pod Security', () => {
  const enforce = (namespace: string, level: string) =>
    api.on(`GET /api/v1/namespaces/${namespace}`, () => ({
      metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': level } },
    }));

  it.each(['baseline', 'restricted'])('"%s" fails, with the very label that helps', async (level) => {
    enforce('default', level);
    const check = named(await examine(), 'pod-security');
    expect(check).toMatchObject({ status: 'failed', detail: expect.stringContaining(`enforces "${level}"`) });
    expect(check.remedy).toContain(
      'kubectl label --overwrite namespace default pod-security.kubernetes.io/enforce=privileged\n',
    );
  });

  it('is asked of the namespace in which the agent will be', async () => {
    enforce('default', 'restricted');
    expect(named(await examine({ namespace: 'agents' }), 'pod-security').status).toBe('ok');
    enforce('agents', 'baseline');
    const { status, remedy } = named(await examine({ namespace: 'agents' }), 'pod-security');
    expect(status).toBe('failed');
    expect(remedy).toContain('namespace agents pod-security');
  });

  it('"baseline" is enough for a container without capabilities, and without a target', async () => {
    enforce('default', 'baseline');
    const bare = { ephemeral: true, disabledCapabilities: ['SYS_PTRACE', 'NET_ADMIN'] };
    expect(named(await examine(bare), 'pod-security').status).toBe('ok');
    expect(named(await examine({ ephemeral: true }), 'pod-security').status).toBe('failed');
    expect(named(await examine({}, 'targetless'), 'pod-security').status).toBe('ok');
  });

  it('that only the server knows of shows in the dry run of the pod', async () => {
    api.on('POST /api/v1/namespaces/default/pods', (_, response) =>
      status(response, 403, 'Forbidden', 'pods "x" is forbidden: violates PodSecurity "baseline:latest": hostPID=true'),
    );
    const check = named(await examine(), 'pod');
    expect(check).toMatchObject({ status: 'failed', detail: expect.stringContaining('violates PodSecurity') });
    expect(check.remedy).toContain('namespace default pod-security.kubernetes.io/enforce=privileged');
  });

  it('that only warns is a warning', async () => {
    api.on('POST /apis/batch/v1/namespaces/default/jobs', ({ body }, response: ServerResponse) => {
      response.setHeader('warning', '299 - "would violate PodSecurity \\"restricted:latest\\": host namespaces"');
      return body;
    });
    const check = named(await examine(), 'job');
    expect(check).toMatchObject({ status: 'warning' });
    expect(check.detail).toContain('would violate PodSecurity "restricted:latest": host namespaces');
  });
});

describe('a quota', () => {
  const quota = (hard: Record<string, string>, used: Record<string, string>) =>
    api.on('GET /api/v1/namespaces/default/resourcequotas', () => ({
      items: [{ metadata: { name: 'team' }, status: { hard, used } }],
    }));

  it.each([
    ['pods', '10', '10', '1 more needed'],
    ['count/jobs.batch', '3', '3', '1 more needed'],
    ['limits.memory', '1Gi', '600Mi', '512Mi more needed'],
    ['requests.cpu', '1', '999500u', '1m more needed'],
  ])('of %s that is used up fails, with what is allowed, used and needed', async (key, hard, used, needed) => {
    quota({ [key]: hard }, { [key]: used });
    const check = named(await examine(), 'quota');
    expect(check.status).toBe('failed');
    expect(check.detail).toBe(`"team" allows ${key}=${hard}, ${used} used, ${needed}`);
    expect(check.remedy).toMatch(/--ephemeral[\s\S]*agent\.namespace/);
    expect(named(await examine({ ephemeral: true }), 'quota')).toBeUndefined();
  });

  it('with room is fine, and so are those of what the agent does not use', async () => {
    quota(
      { pods: '10', 'limits.memory': '1112Mi', secrets: '1' },
      { pods: '9', 'limits.memory': '600Mi', secrets: '1' },
    );
    expect(named(await examine(), 'quota')).toMatchObject({ status: 'ok', detail: expect.stringContaining('room') });
  });
});

describe('the node', () => {
  it('that is full fails, and a container inside the pod is offered', async () => {
    node.status.allocatable.pods = '1';
    const check = named(await examine(), 'node-room');
    expect(check).toMatchObject({ status: 'failed', detail: '1 of 1 pods' });
    expect(check.remedy).toContain('"agent.ephemeral": true');
    expect(named(await examine({ ephemeral: true }), 'node-room').status).toBe('ok');
  });

  it.each([
    ['is virtual', { metadata: { labels: { type: 'virtual-kubelet' } } }, 'failed', /no real node/],
    ['is Fargate', { metadata: { labels: { 'eks.amazonaws.com/compute-type': 'fargate' } } }, 'failed', /no real node/],
    ['runs Windows', { status: { nodeInfo: { operatingSystem: 'windows' } } }, 'failed', /runs windows/],
    [
      'is not ready',
      { status: { conditions: [{ type: 'Ready', status: 'False', message: 'kubelet stopped' }] } },
      'failed',
      /not ready: kubelet stopped/,
    ],
    [
      'lacks memory',
      { status: { conditions: [{ type: 'MemoryPressure', status: 'True' }] } },
      'warning',
      /MemoryPressure: the agent may be evicted/,
    ],
    ['is cordoned', { spec: { unschedulable: true } }, 'ok', /cordoned/],
  ])('that %s is told', async (_, changes: any, expected, words) => {
    node = {
      metadata: { ...node.metadata, ...changes.metadata },
      spec: { ...changes.spec },
      status: { ...node.status, ...changes.status },
    };
    expect(named(await examine(), 'node')).toMatchObject({ status: expected, detail: expect.stringMatching(words) });
  });

  it.each([
    ['5.11.0', 'warning'],
    ['5.12.0-gke', 'ok'],
    ['6.0', 'ok'],
    ['4.19.1', 'warning'],
    ['', 'skipped'],
  ])('with Linux %j: %s', async (kernelVersion, expected) => {
    node.status.nodeInfo.kernelVersion = kernelVersion;
    expect(named(await examine(), 'kernel').status).toBe(expected);
  });

  it('without the image that may not be pulled is a warning', async () => {
    expect(named(await examine({ imagePullPolicy: 'Never' }), 'image').status).toBe('warning');
    node.status.images = [{ names: ['registry.example/agent:1'] }];
    const agent = { image: 'registry.example/agent:1', imagePullPolicy: 'Never' };
    expect(named(await examine(agent), 'image')).toMatchObject({ status: 'ok' });
  });

  it('that may not be seen is skipped', async () => {
    api.on('GET /api/v1/nodes/node1', (_, response) =>
      status(response, 403, 'Forbidden', 'nodes "node1" is forbidden: User "u" cannot get resource "nodes"'),
    );
    expect(named(await examine(), 'node').status).toBe('skipped');
  });
});

describe('rights', () => {
  const RULES = (remedy: string | undefined) => remedy!.slice(remedy!.indexOf('rules:'), remedy!.indexOf('---'));

  it('that are missing make one Role, with its binding for whoever asks', async () => {
    denied = new Set(['create jobs default', 'create pods/portforward default', 'list events default']);
    const checks = await examine();
    expect(failures(checks)).toEqual(['right:jobs', 'right:pods/portforward']);
    expect(named(checks, 'right:events').status).toBe('warning');
    const { remedy } = named(checks, 'right:jobs');
    expect(RULES(remedy)).toBe(
      [
        'rules:',
        '  - apiGroups: ["batch"]\n    resources: [jobs]\n    verbs: [create]',
        '  - apiGroups: [""]\n    resources: [pods/portforward]\n    verbs: [create]',
        '  - apiGroups: [""]\n    resources: [events]\n    verbs: [list]',
        '',
      ].join('\n'),
    );
    expect(remedy).toContain('subjects: [{ kind: ServiceAccount, name: "dev", namespace: team }]');
    expect(named(checks, 'right:pods/portforward').remedy).toBe(remedy);
  });

  const web = () => {
    const spec = { selector: { matchLabels: { app: 'web' } } };
    api.on('GET /apis/apps/v1/namespaces/default/deployments/web', () => ({ metadata: { name: 'web' }, spec }));
    api.on('GET /api/v1/namespaces/default/pods', () => ({ items: [pod] }));
  };

  it('are asked for in the namespaces of target and agent, where these are two', async () => {
    denied = new Set(['list pods default', 'get pods/log agents', 'create jobs default']);
    web();
    const checks = await examine({ namespace: 'agents' }, 'deployment/web');
    expect(failures(checks)).toEqual(['right:pods/log', 'right:pods:target']);
    expect(named(checks, 'right:pods:target').remedy).toMatch(
      /namespace: default[\s\S]*resources: \[pods\]\n {4}verbs: \[list\]/,
    );
    expect(named(checks, 'right:pods/log').remedy).toMatch(/namespace: agents[\s\S]*resources: \[pods\/log\]/);
  });

  it('to follow the target are asked for in its namespace, and missing they are no failure', async () => {
    denied = new Set(['watch pods default', 'list pods default']);
    const checks = await examine({ namespace: 'agents' });
    expect(failures(checks)).toEqual([]);
    expect(named(checks, 'right:pods:following')).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('you may not list, watch pods in namespace "default"'),
    });
    // In one namespace the agent cannot be started without them.
    const together = await examine();
    expect(failures(together)).toEqual(['right:pods']);
    expect(together.filter(({ name }) => name.startsWith('right:pods:'))).toEqual([]);
    expect((await examine({ ephemeral: true })).filter(({ name }) => name.startsWith('right:pods:'))).toEqual([]);
  });

  it('for a container inside the pod are those of its namespace, whatever "agent.namespace" says', async () => {
    denied = new Set(['patch pods/ephemeralcontainers default', 'create jobs agents', 'get pods agents']);
    const checks = await examine({ ephemeral: true, namespace: 'agents' });
    expect(failures(checks)).toEqual(['right:pods/ephemeralcontainers']);
    expect(named(checks, 'right:jobs')).toBeUndefined();
  });
});

describe('a mesh', () => {
  const withContainers = (...names: string[]) => {
    pod.spec.containers = [...pod.spec.containers, ...names.map((name) => ({ name }))];
  };

  it('with a sidecar is named, and fine', async () => {
    withContainers('istio-proxy');
    expect(named(await examine(), 'mesh')).toMatchObject({ status: 'ok', detail: expect.stringContaining('Istio: ') });
  });

  it('without sidecars (ambient) is a warning, unless the agent is privileged', async () => {
    pod.metadata.annotations = { 'ambient.istio.io/redirection': 'enabled' };
    const check = named(await examine(), 'mesh');
    expect(check).toMatchObject({ status: 'warning', detail: expect.stringContaining('Istio (ambient)') });
    expect(check.remedy).toContain('"agent.privileged": true');
    expect(named(await examine({ privileged: true }), 'mesh').status).toBe('ok');
  });
});

it.each([
  [[], [], undefined],
  [['istio-proxy'], [], 'Istio'],
  [[], ['istio-validation'], 'Istio'],
  [['linkerd-proxy'], ['linkerd-init'], 'Linkerd'],
  [[], ['linkerd-proxy'], 'Linkerd'],
  [['kuma-sidecar'], [], 'Kuma'],
  [['my-istio-proxy-tool'], [], undefined],
])('a pod with %j and, to begin with, %j is part of: %s', (containers, initContainers, mesh) => {
  const of = (names: string[]) => names.map((name) => ({ name }));
  const spec = { containers: [{ name: 'app' }, ...of(containers)], initContainers: of(initContainers) };
  expect(detectMesh({ ...targetPod(), spec })).toBe(mesh);
});

it.each([
  ['1', 1],
  ['1.5', 1.5],
  ['100m', 0.1],
  ['250u', 0.00025],
  ['5n', 5e-9],
  ['2k', 2000],
  ['1Ki', 1024],
  ['512Mi', 536_870_912],
  ['1.5Gi', 1_610_612_736],
  ['1G', 1e9],
  ['1e3', 1000],
  ['1E', 1e18],
  ['-1', -1],
  ['', Number.NaN],
  ['1Mib', Number.NaN],
  ['much', Number.NaN],
])('the quantity %j is %d', (text, value) => {
  if (Number.isNaN(value)) expect(quantity(text)).toBeNaN();
  else expect(quantity(text)).toBeCloseTo(value, 12);
});

it.each([
  [undefined, []],
  ['299 - "one"', ['one']],
  ['299 - "one", 299 - "two, three"', ['one', 'two, three']],
  [
    ['299 - "one"', '299 k8s "two"'],
    ['one', 'two'],
  ],
  ['299 - "say \\"yes\\" \\\\ no"', ['say "yes" \\ no']],
  ['nonsense', []],
])('the Warning header %j says %j', (warning, words) => {
  expect(warningsOf({ warning })).toEqual(words);
});

describe('mirrord doctor', () => {
  const doctor = (...flags: string[]) =>
    runProcess({
      args: [cli, 'doctor', '-t', 'pod/web-1', '--kubeconfig', api.kubeconfig, ...flags],
      env: { NODE_OPTIONS: undefined, MIRRORD_TARGET: undefined },
      cwd: api.folder,
    });

  it('--json is one object of the form that docs/kubernetes.md describes', async () => {
    denied = new Set(['create jobs default']);
    const { stdout, code } = await doctor('--json');
    const { ok, checks, ...more } = JSON.parse(stdout);
    expect({ ok, more, code }).toEqual({ ok: false, more: {}, code: 1 });
    const text = readFileSync(`${root}docs/kubernetes.md`, 'utf8');
    for (const check of checks as Check[]) {
      expect(Object.keys(check).filter((key) => !['name', 'status', 'detail', 'remedy'].includes(key))).toEqual([]);
      expect(['ok', 'warning', 'failed', 'skipped']).toContain(check.status);
      expect(text).toContain(`\`${check.name.replace(/:.*/, ':…')}\``);
    }
    for (const word of ['"ok"', '"checks"', '"name"', '"status"', '"detail"', '"remedy"']) expect(text).toContain(word);
  });

  it('prints a Role once, below the table, for all that it cures', async () => {
    denied = new Set(['create jobs default', 'get pods/log default']);
    const { stdout } = await doctor();
    expect(stdout).toMatch(/^FAILED +right:jobs +you may not create jobs/m);
    expect(stdout.match(/kind: Role\n/g)).toHaveLength(1);
    expect(stdout).toMatch(/right:jobs: .*\nright:pods\/log: .*\n\nWhoever administers/);
  });
});
