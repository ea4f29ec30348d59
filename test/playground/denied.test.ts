import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, until } from './support/cluster';
import { cli, runNode } from './support/run-cli';

const DENY = '/api/v1/namespaces/kube-system/configmaps';
const JOBS = '/apis/batch/v1/namespaces/default/jobs?labelSelector=app.kubernetes.io/managed-by=mirrord-node';
let cluster: Cluster;
let folder: string;
let kubeconfig: string;

beforeAll(async () => {
  cluster = await Cluster.start();
  folder = mkdtempSync(join(tmpdir(), 'mirrord-denied-'));
  kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, cluster.playground.kubeconfig);
  await cluster.runPod('target', 'exec node -e "setInterval(()=>{},1000)"');
  await cluster.waitReady('target');
}, 90_000);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await cluster?.stop();
});

type Rule = { verb: string; resource: string };

/** Runs a command while the rules are in force. */
async function without(rules: Rule[], args: string[]) {
  const object = { metadata: { name: 'playground-deny' }, data: { rules: JSON.stringify(rules) } };
  await cluster.call('POST', DENY, { apiVersion: 'v1', kind: 'ConfigMap', ...object });
  try {
    return await runNode([cli, ...args], kubeconfig).ended;
  } finally {
    await cluster.call('DELETE', `${DENY}/playground-deny`);
  }
}

const exec = (...flags: string[]) => [
  'exec',
  '-t',
  'pod/target',
  ...flags,
  '--',
  'node',
  '-e',
  'console.log("started")',
];

describe('a right that is missing', () => {
  const cases: [Rule, string, string[]][] = [
    [{ verb: 'get', resource: 'pods' }, 'get pods', []],
    [{ verb: 'create', resource: 'jobs' }, 'create jobs', []],
    [{ verb: 'watch', resource: 'pods' }, 'watch pods', []],
    [{ verb: 'create', resource: 'pods/portforward' }, 'create pods/portforward', []],
    [{ verb: 'patch', resource: 'pods/ephemeralcontainers' }, 'patch pods/ephemeralcontainers', ['--ephemeral']],
  ];

  it.each(cases)(
    '%j ends the start with the verb and the Role, and no Job stays',
    async (rule, words, flags) => {
      const { code, stdout, stderr } = await without([rule], exec(...flags));
      expect(stderr).toContain(`mirrord: FORBIDDEN: You may not ${words} in namespace "default"`);
      expect(stderr).toMatch(/kind: Role\n/);
      expect(stdout).toBe('');
      expect(code).toBe(1);
      await until(async () => (await cluster.call('GET', JOBS)).json.items.length === 0 || undefined, 'no Job', 20_000);
    },
    60_000,
  );

  it.each([
    ['list events', [{ verb: 'list', resource: 'events' }]],
    ['get pods/log', [{ verb: 'get', resource: 'pods/log' }]],
    // The oldest transport asks for "create" alone.
    ['get pods/portforward', [{ verb: 'get', resource: 'pods/portforward' }]],
    ['get nodes', [{ verb: 'get', resource: 'nodes' }]],
  ])(
    'that is optional costs nothing else: %s',
    async (_, rules) => {
      const { code, stdout, stderr } = await without(rules, exec());
      expect(stdout, stderr).toBe('started\n');
      expect(code).toBe(0);
    },
    60_000,
  );
});

describe('mirrord doctor', () => {
  const doctor = (...flags: string[]) => ['doctor', '-t', 'pod/target', '--json', ...flags];
  const named = (stdout: string) =>
    Object.fromEntries((JSON.parse(stdout).checks as any[]).map((check) => [check.name, check]));

  it('finds nothing to complain of, and creates nothing', async () => {
    const noJob = async () => (await cluster.call('GET', JOBS)).json.items.length === 0 || undefined;
    await until(noJob, 'the Jobs of the starts before to be gone', 20_000);
    const { code, stdout, stderr } = await without([], doctor());
    expect(stderr).toBe('');
    expect(JSON.parse(stdout).ok, stdout).toBe(true);
    expect(code).toBe(0);
    expect(named(stdout)).toMatchObject({ job: { status: 'ok' }, pod: { status: 'ok' }, target: { status: 'ok' } });
    expect((await cluster.call('GET', JOBS)).json.items).toEqual([]);
  }, 30_000);

  it('names exactly the verb that is missing, with the Role for it', async () => {
    const { code, stdout } = await without([{ verb: 'create', resource: 'pods/portforward' }], doctor());
    const { ok, checks } = JSON.parse(stdout);
    expect(ok).toBe(false);
    expect(code).toBe(1);
    const failed = checks.filter(({ status }: any) => status === 'failed');
    expect(failed).toHaveLength(1);
    expect(failed[0]).toMatchObject({ name: 'right:pods/portforward' });
    expect(failed[0].detail).toContain('you may not create pods/portforward');
    expect(failed[0].remedy).toMatch(
      /resources: \[pods\/portforward\]\n {4}verbs: \[create\]\n[\s\S]*playground-admin/,
    );
  }, 30_000);

  it('says what an optional right would give, and leaves out what it may not look at', async () => {
    const rules = [
      { verb: 'list', resource: 'events' },
      { verb: 'get', resource: 'nodes' },
      { verb: 'create', resource: 'pods' },
    ];
    const { code, stdout } = await without(rules, doctor());
    expect(code).toBe(0);
    expect(named(stdout)).toMatchObject({
      'right:events': { status: 'warning', detail: expect.stringContaining('reasons from events') },
      node: { status: 'skipped' },
      pod: { status: 'skipped' },
      job: { status: 'ok' },
    });
  }, 30_000);

  it('asks for other rights when the agent is to be a container of the pod', async () => {
    const { stdout } = await without([{ verb: 'create', resource: 'jobs' }], doctor('--ephemeral'));
    expect(JSON.parse(stdout).ok).toBe(true);
    expect(named(stdout)).toMatchObject({
      'right:pods/ephemeralcontainers': { status: 'ok' },
      'ephemeral-container': { status: 'ok' },
    });
    expect(named(stdout)).not.toHaveProperty('right:jobs');
  }, 30_000);

  it('goes on when the target is not there, and as a table', async () => {
    const { code, stdout } = await without([], ['doctor', '-t', 'pod/targett']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAILED\s+target\s+TARGET_NOT_FOUND/m);
    expect(stdout).toMatch(/^ok\s+right:jobs/m);
  }, 30_000);
});

describe('mirrord clean', () => {
  it('shows what there is, removes it when told to, and then finds nothing', async () => {
    // Without CI an agent stays warm after its session.
    const app = runNode([cli, ...exec()], kubeconfig, { CI: undefined });
    expect((await app.ended).stdout).toBe('started\n');
    const list = async (...flags: string[]) =>
      JSON.parse((await runNode([cli, 'clean', '--json', ...flags], kubeconfig).ended).stdout).items;
    const [shown, ...others] = await list();
    expect(others).toEqual([]);
    expect(shown).toMatchObject({
      kind: 'Job',
      namespace: 'default',
      action: 'would remove',
      target: 'default/pod/target',
    });
    expect((await cluster.call('GET', JOBS)).json.items).toHaveLength(1);
    expect(await list('-A', '--yes')).toMatchObject([{ name: shown.name, action: 'removed' }]);
    await until(async () => (await list()).length === 0 || undefined, 'nothing to be left', 20_000);
    const { stdout } = await runNode([cli, 'clean'], kubeconfig).ended;
    expect(stdout).toBe('nothing of ours in namespace "default"\n');
  }, 60_000);

  it('keeps an agent of somebody else that runs, unless told otherwise, and takes one that has ended', async () => {
    const job = (name: string, command: string) => ({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name, labels: { 'app.kubernetes.io/managed-by': 'mirrord-node', 'mirrord-node/user': 'somebody' } },
      spec: {
        backoffLimit: 0,
        template: {
          metadata: { labels: { 'app.kubernetes.io/managed-by': 'mirrord-node' } },
          spec: {
            restartPolicy: 'Never',
            terminationGracePeriodSeconds: 0,
            containers: [{ name: 'c', image: 'playground/node:1', command: ['/bin/sh', '-c', command] }],
          },
        },
      },
    });
    await cluster.create('jobs', job('runs', 'sleep 1000'), 'apis/batch/v1');
    await cluster.create('jobs', job('ended', 'exit 3'), 'apis/batch/v1');
    const list = async (...flags: string[]) => {
      const { stdout } = await runNode([cli, 'clean', '--json', ...flags], kubeconfig).ended;
      return Object.fromEntries(JSON.parse(stdout).items.map(({ name, action }: any) => [name, action]));
    };
    await until(async () => (await list()).ended === 'would remove' || undefined, 'the end of the second', 20_000);
    expect(await list('--yes')).toMatchObject({ runs: 'kept', ended: 'removed' });
    expect(await list('--yes', '--all')).toMatchObject({ runs: 'removed' });
  }, 60_000);
});
