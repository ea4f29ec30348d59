import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { core, eventually, waitForDeployment } from '../support/cluster';
import { cli, preload, root } from '../support/spawn-app';
import { agentPods, deleteAgentJob, killAgent, nothingLeft } from './agents';
import { createPlace, type Place } from './running';
import { createWorld, fixturePath, type World } from './world';

const LIMIT_MS = 180_000;
let world: World;
let place: Place;

beforeAll(async () => {
  world = await createWorld('orphans');
}, 120_000);
afterAll(() => world?.drop());
beforeEach(() => {
  place = createPlace();
});
afterEach(async () => {
  place.remove();
  await deleteAgentJob(world.namespace);
  await nothingLeft(world.namespace, 60_000);
}, 90_000);

const start = (args: string[], env: Record<string, string | undefined> = {}) =>
  place.run(args, { ...world.env, MIRRORD_AGENT_GRACE: '10', ...env });

it.each(['worker', 'supervisor'] as const)(
  'a child whose owner and whose agent (%s) are gone starts an agent of its own',
  async (which) => {
    const args = ['-r', preload, fixturePath('owner-of-stream.cjs')];
    const { child, line, exited, stderr } = start(args, { CHILD: fixturePath('lives-on.cjs') });
    await line('the stream of the child to be open', ({ open }) => open);
    const [before] = await agentPods(world.namespace);
    child.kill('SIGKILL');
    await exited;
    await eventually('the socket of the owner to be gone', async () => place.leftovers().length === 0);
    await killAgent(world.namespace, which);
    expect(await line('its stream to end', (said) => 'stream' in said, 90_000)).toEqual({ stream: 'ECONNRESET' });
    const { again } = await line('it to reach the pod again', (said) => said.again, 90_000);
    expect(again).toEqual({ caller: world.podIP, file: 'data of the pod: ✔\n', family: 4 });
    const pods = (await agentPods(world.namespace)).filter(({ status }) => status?.phase === 'Running');
    expect(pods).toHaveLength(1);
    expect(pods[0]!.metadata!.name).not.toBe(before!.metadata!.name);
    expect(stderr()).toContain('serves this process now');
    for (const pid of place.processes()) process.kill(pid, 'SIGTERM');
    await eventually('no process to be left', async () => place.processes().length === 0);
    await nothingLeft(world.namespace, 60_000);
  },
  LIMIT_MS,
);

/** Who starts the shell that goes on, with what of their own: none of it is in the shell's environment. */
const owners: Record<string, (shell: string[]) => [args: string[], file?: object]> = {
  'mirrord exec': (shell) => [
    [
      cli,
      'exec',
      '--target',
      'deployment/target',
      '-n',
      world.namespace,
      '--kubeconfig',
      'cluster.yaml',
      '--',
      ...shell,
    ],
  ],
  'a process with startSession()': (shell) => [
    [fixturePath('session-and-shell.cjs'), JSON.stringify({ namespace: world.namespace, shell })],
  ],
  'a process with a configuration file': (shell) => [
    ['-r', preload, fixturePath('session-and-shell.cjs'), JSON.stringify({ shell })],
    { target: { path: 'deployment/target', namespace: world.namespace }, kubeconfig: 'cluster.yaml' },
  ],
};

it.each(Object.keys(owners))(
  'a program that is started when %s was killed starts the session that was wanted there',
  async (owner) => {
    const program = `env -i NODE_OPTIONS="$NODE_OPTIONS" MIRRORD_SESSION="$MIRRORD_SESSION" CI=true FROM_SECRET="$FROM_SECRET" "${process.execPath}" "${fixturePath('child-facts.cjs')}"`;
    const script = `echo '{"waits":true}'; while [ ! -e go ]; do sleep 0.1; done; mkdir other; cd other; ${program}`;
    const [args, file] = owners[owner]!(['sh', '-c', script]);
    symlinkSync(world.env.KUBECONFIG!, join(place.cwd, 'cluster.yaml'));
    if (file) place.write('mirrord.json', JSON.stringify(file));
    const { child, line, exited } = start(args, {
      ...{ MIRRORD_TARGET: undefined, MIRRORD_TARGET_NAMESPACE: undefined, KUBECONFIG: undefined, PROJECT_ROOT: root },
    });
    await line('the command to run', ({ waits }) => waits);
    child.kill('SIGKILL');
    await exited;
    await eventually('the socket of the owner to be gone', async () => place.leftovers().length === 0);
    place.write('go', '');
    expect(await line('the program to say what it sees', ({ hostname }) => hostname, 60_000)).toEqual({
      hostname: world.pod,
      variable: 'from a Secret',
      caller: world.podIP,
    });
    await eventually('no process to be left', async () => place.processes().length === 0);
  },
  LIMIT_MS,
);

it(
  'an agent that ended under a Job that stays is replaced at once, not after the grace time',
  async () => {
    const args = ['-r', preload, fixturePath('lives-on.cjs')];
    const { child, line, exited } = start(args, { MIRRORD_AGENT_TTL: '300', MIRRORD_AGENT_GRACE: '600' });
    await line('the stream to be open', ({ open }) => open);
    await killAgent(world.namespace, 'worker');
    // A tenth of what it would wait otherwise, and plenty for a machine that is busy.
    await line('the stream to end', (said) => 'stream' in said, 60_000);
    await line('the app to reach the pod again', (said) => said.again, 60_000);
    child.kill('SIGTERM');
    await exited;
  },
  LIMIT_MS,
);

// The last one: the world knows the pod that there was at first.
it(
  'children whose owner is gone and whose pod goes too go on at the next pod, with one line each',
  async () => {
    const args = ['-r', preload, fixturePath('owner-of-stream.cjs')];
    const { child, lines, exited, stderr } = start(args, { CHILD: fixturePath('lives-on.cjs'), CHILDREN: '2' });
    const both = (what: string, test: (line: any) => boolean) =>
      eventually(`both children ${what}; they say ${stderr()}`, async () => lines.filter(test).length === 2, 90_000);
    await both('to have a stream', ({ open }) => open);
    child.kill('SIGKILL');
    await exited;
    await eventually('the socket of the owner to be gone', async () => place.leftovers().length === 0);
    const before = await waitForDeployment(world.namespace, 'target');
    await core.deleteNamespacedPod({ name: before.metadata!.name!, namespace: world.namespace });
    await both('to lose the stream', (said) => said.stream === 'ECONNRESET');
    await both('to reach the next pod', ({ again }) => again);
    const after = await waitForDeployment(world.namespace, 'target');
    for (const { again } of lines.filter(({ again }) => again)) expect(again.caller).toBe(after.status!.podIP);
    const told = stderr().match(/^mirrord: warning: .*$/gm);
    expect(told).toEqual(Array(2).fill(expect.stringContaining(`pod ${before.metadata!.name}`)));
    expect(told![0]).toContain(`runs as ${after.metadata!.name}, container app`);
    const running = (await agentPods(world.namespace)).filter(({ status }) => status?.phase === 'Running');
    expect(running).toHaveLength(1);
  },
  LIMIT_MS,
);
