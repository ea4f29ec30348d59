import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentJobs, apply, deployment, eventually, settings } from '../support/cluster';
import { preload, runProcess } from '../support/spawn-app';
import { createWorld, fixturePath, type World } from './world';

let world: World;
let folder: string;
beforeAll(async () => {
  world = await createWorld('failures');
  folder = mkdtempSync(join(tmpdir(), 'mirrord-failures-'));
}, 120_000);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world?.drop();
});

const kubeconfigWith = (change: (text: string) => string) => {
  const file = join(folder, `kubeconfig-${Math.random().toString(36).slice(2)}`);
  writeFileSync(file, change(readFileSync(settings.kubeconfig, 'utf8')));
  return file;
};

/** Runs an app that would print `started`; it must not get that far. */
async function fail(env: Record<string, string | undefined>) {
  const outcome = await runProcess({
    args: ['-r', preload, fixturePath('started.cjs')],
    env: { ...world.env, ...env },
  });
  return outcome;
}

interface Case {
  title: string;
  code: string;
  says: (string | RegExp)[];
  env: () => Record<string, string | undefined>;
}

const cases: Case[] = [
  {
    title: 'no kubeconfig',
    code: 'KUBECONFIG_NOT_FOUND',
    says: ['/nowhere/kubeconfig'],
    env: () => ({ KUBECONFIG: '/nowhere/kubeconfig' }),
  },
  {
    title: 'an API server that cannot be reached',
    code: 'CLUSTER_UNREACHABLE',
    says: ['127.0.0.1:1', 'ECONNREFUSED'],
    env: () => ({ KUBECONFIG: kubeconfigWith((text) => text.replace(/server: .*/, 'server: https://127.0.0.1:1')) }),
  },
  {
    title: 'credentials that the server does not accept',
    code: 'CLUSTER_UNAUTHORIZED',
    says: ['Unauthorized'],
    env: () => ({
      KUBECONFIG: kubeconfigWith((text) =>
        text.replace(/token: .*/, 'token: wrong').replace(/client-(certificate|key)-data: .*/g, ''),
      ),
    }),
  },
  {
    title: 'a context that does not exist',
    code: 'KUBE_CONTEXT_NOT_FOUND',
    says: ['no-such-context'],
    env: () => ({ MIRRORD_KUBE_CONTEXT: 'no-such-context' }),
  },
  {
    title: 'no target',
    code: 'TARGET_MISSING',
    says: ['MIRRORD_TARGET'],
    env: () => ({ MIRRORD_TARGET: undefined }),
  },
  {
    title: 'a target that does not exist, naming one that is near',
    code: 'TARGET_NOT_FOUND',
    says: ['deployment', 'targett', 'target'],
    env: () => ({ MIRRORD_TARGET: 'deployment/targett' }),
  },
  {
    title: 'a kind of target that is not supported',
    code: 'TARGET_KIND_UNSUPPORTED',
    says: ['hovercraft'],
    env: () => ({ MIRRORD_TARGET: 'hovercraft/target' }),
  },
  {
    title: 'a container that does not exist, listing those there are',
    code: 'CONTAINER_NOT_FOUND',
    says: ['sidecar', 'app'],
    env: () => ({ MIRRORD_TARGET: 'deployment/target/container/sidecar' }),
  },
  {
    title: 'a target without ready pods, with what its pod waits for',
    code: 'TARGET_NOT_READY',
    says: ['never-ready'],
    env: () => ({ MIRRORD_TARGET: 'deployment/never-ready' }),
  },
  {
    title: 'an agent image that cannot be pulled',
    code: 'AGENT_IMAGE_PULL',
    says: ['registry.invalid/no-such-agent:1'],
    env: () => ({ MIRRORD_AGENT_IMAGE: 'registry.invalid/no-such-agent:1' }),
  },
  {
    title: 'an agent that ends before it serves',
    code: 'AGENT_FAILED',
    says: [/exit/i],
    // The app's image without a command: Node reads a program from its empty standard input and ends.
    env: () => ({ MIRRORD_AGENT_IMAGE: settings.nodeImage }),
  },
];

describe('a start that fails', () => {
  beforeAll(async () => {
    await apply(
      deployment({
        name: 'never-ready',
        namespace: world.namespace,
        command: ['node', '-e', 'setInterval(() => {}, 1e6)'],
        port: 5,
      }),
    );
  });

  it.each(cases)('for $title ends before the first line of the app, with $code', async ({ code, says, env }) => {
    const outcome = await fail(env());
    expect(outcome.stderr).toContain(`mirrord: ${code}: `);
    for (const text of says) expect(outcome.stderr).toMatch(text);
    expect(outcome.stdout).toBe('');
    expect(outcome.code).toBe(1);
    // One message: neither a stack trace of ours nor the same thing twice.
    expect(outcome.stderr.match(/mirrord: [A-Z_]+: /g)).toHaveLength(1);
    expect(outcome.stderr).not.toMatch(/\n {4}at /);
    await eventually('no Job to be left', async () => (await agentJobs(world.namespace)).length === 0);
  });
});

it('runs the app without a session when that was asked for, after the same message', async () => {
  const outcome = await fail({ MIRRORD_TARGET: 'deployment/none', MIRRORD_ON_FAILURE: 'continue' });
  expect(outcome.stderr).toContain('TARGET_NOT_FOUND');
  expect(outcome.stdout).toBe('started\n');
  expect(outcome.code).toBe(0);
});

it('does nothing at all when it is disabled', async () => {
  const outcome = await fail({ KUBECONFIG: '/nowhere', MIRRORD_DISABLE: '1' });
  expect(outcome).toMatchObject({ stdout: 'started\n', stderr: '', code: 0 });
});
