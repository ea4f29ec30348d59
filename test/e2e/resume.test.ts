import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ApiProxy } from '../support/api-proxy';
import {
  agentJobs,
  apply,
  configMap,
  deployment,
  eventually,
  podsOf,
  runInPod,
  service,
  settings,
  waitForDeployment,
} from '../support/cluster';
import { clusterEnv, preload } from '../support/spawn-app';
import { deleteAgentJob, nothingLeft } from './agents';
import { createIncomingWorld, type Developer, type IncomingWorld, type PortName } from './incoming-world';
import { createPlace, type Place, type Running } from './running';
import { fixturePath } from './world';

const STEAL = { MIRRORD_AGENT_TCP_STEAL_TRAFFIC: 'true' };
const FOLDER = '/srv/resume';
const BIG = `${FOLDER}/big.bin`;
const BIG_SIZE = 20 << 20;
const chat = readFileSync(fixturePath('chat.cjs'), 'utf8');

let world: IncomingWorld;
let proxy: ApiProxy;
let place: Place;
let caller: string;

beforeAll(async () => {
  world = await createIncomingWorld('resume');
  const { namespace } = world;
  const volumes = { '/app': { configMap: { name: 'helper-code' } } };
  await apply(
    configMap(namespace, 'helper-code', {
      'target-server.cjs': readFileSync(fixturePath('target-server.cjs'), 'utf8'),
    }),
    service(namespace, 'helper', [8080, 8081]),
    deployment({
      name: 'helper',
      namespace,
      command: ['node', '/app/target-server.cjs'],
      port: 8080,
      env: [{ name: 'BASE', value: '8080' }],
      volumes,
    }),
  );
  await waitForDeployment(namespace, 'helper');
  caller = (await podsOf(namespace, 'caller'))[0]!.metadata!.name!;
  await writeFiles();
}, 180_000);
afterAll(() => world?.drop());
beforeEach(async () => {
  proxy = await ApiProxy.start(settings.kubeconfig);
  place = createPlace();
});
afterEach(async () => {
  place.remove();
  await world?.leaveAll();
  // One that a failed test has left would serve the next one with other settings.
  await deleteAgentJob(world.namespace);
  await nothingLeft(world.namespace, 60_000);
  proxy.stop();
});

/** Bytes of which each 64 KiB say where they belong. */
const writeFiles = () => {
  const program = `
    const fs = require('node:fs');
    fs.mkdirSync('${FOLDER}', { recursive: true });
    fs.writeFileSync('${FOLDER}/data.txt', 'data of the pod');
    fs.writeFileSync('${FOLDER}/other.txt', 'x');
    const bytes = Buffer.alloc(${BIG_SIZE});
    for (let at = 0; at < bytes.length; at += 8) bytes.writeDoubleBE(at, at);
    fs.writeFileSync('${BIG}', bytes);`;
  return runInPod(world.namespace, world.targetPod, ['node', '-e', program]);
};

const wantedHash = () => {
  const bytes = Buffer.alloc(BIG_SIZE);
  for (let at = 0; at < bytes.length; at += 8) bytes.writeDoubleBE(at, at);
  return createHash('sha256').update(bytes).digest('hex');
};

/** Streams, calls and files, without a pause. */
const goOn = (env: Record<string, string> = {}): Running =>
  place.run(['-r', preload, fixturePath('goes-on.cjs'), FOLDER, BIG, wantedHash()], {
    ...clusterEnv('deployment/target', world.namespace),
    KUBECONFIG: proxy.kubeconfig,
    ...env,
  });

const develop = (incoming: Record<string, string>, ports: PortName[]): Promise<Developer> =>
  world.develop({ MIRRORD_PROGRESS: 'plain', ...incoming, KUBECONFIG: proxy.kubeconfig }, ports);

const progress = ({ lines }: Running) => lines.findLast((line) => line.calls !== undefined);

async function usesEverything(running: Running): Promise<void> {
  const { received = 0, calls = 0, files = 0 } = progress(running) ?? {};
  const test = (line: any) => line.received > received + 50 && line.calls > calls + 10 && line.files > files;
  await running.line('stream, calls and files to go on', test, 90_000);
}

const heardCount = ({ heard }: Developer) => heard.filter((value) => (value as { heard?: string }).heard).length;

async function isMirrored(developer: Developer): Promise<void> {
  const before = heardCount(developer);
  await eventually(
    'a copy of a request to arrive',
    async () => {
      expect((await world.call('http')).by).toBeDefined();
      await delay(200);
      return heardCount(developer) > before;
    },
    60_000,
  );
}

const isStolen = () =>
  eventually(
    'the pod’s requests to be the developer’s',
    async () => (await world.call('tcp')) === 'developer:hello',
    90_000,
  );

describe('a connection to the cluster that is cut again and again', () => {
  it('costs nothing of streams, calls, files and subscriptions', { timeout: 300_000 }, async () => {
    const running = goOn();
    const thief = await develop(STEAL, ['tcp']);
    const listener = await develop({}, ['http']);
    await usesEverything(running);
    await isStolen();
    await isMirrored(listener);
    const chatting = runInPod(world.namespace, caller, ['node', '-e', chat, 'chat', 'target', '20']);
    for (let round = 0; round < 25; round++) {
      // In the middle of whatever is under way; sometimes nobody can be reached for a while.
      await proxy.cut(round % 3 === 0 ? 0 : 1 + Math.floor(Math.random() * 200_000));
      if (round % 6 === 5) {
        await proxy.close();
        await delay(1_500);
        proxy.set({});
      }
      await delay(400);
    }
    const { chat: whole, sent, echoed, answers, failures } = JSON.parse(await chatting);
    expect({ whole, failures }).toEqual({ whole: 'whole', failures: [] });
    expect(echoed).toBe(sent);
    expect(answers.pod).toBeGreaterThan(20);
    // The same subscriptions serve on: nobody had to ask again.
    await usesEverything(running);
    await isStolen();
    await isMirrored(listener);
    running.child.kill('SIGTERM');
    const { last } = await running.line('the app to end', (line) => line.last, 60_000);
    expect(last).toMatchObject({ sent: last.received, wrong: 0 });
    expect(running.lines.filter((line) => line.failed || line.wrong)).toEqual([]);
    for (const text of [running.stderr(), thief.stderr, listener.stderr])
      expect(text).not.toContain('the agent is gone');
    await Promise.all([running.exited, thief.leave(), listener.leave()]);
    await nothingLeft(world.namespace, 60_000);
  });
});

describe('an agent whose Job is deleted', () => {
  it('is replaced: what was open ends as a lost connection, what comes later works, ports are taken again', {
    timeout: 300_000,
  }, async () => {
    const running = goOn();
    const thief = await develop(STEAL, ['http', 'tcp']);
    const listener = await develop({}, ['http2']);
    await usesEverything(running);
    await isStolen();
    expect((await world.call('http')).by).toBe('developer');
    const [before] = await agentJobs(world.namespace);

    await deleteAgentJob(world.namespace);
    await running.line('the stream to end', (line) => line.failed === 'stream', 90_000);
    await isStolen();
    await eventually('HTTP to be stolen again', async () => (await world.call('http')).by === 'developer', 60_000);
    const { calls: callsBefore } = progress(running);
    await running.line('calls to work again', (line) => line.calls > callsBefore + 10, 90_000);

    const failures = running.lines.filter((line) => line.failed);
    expect(failures.filter(({ failed }) => failed === 'stream')).toEqual([{ failed: 'stream', code: 'ECONNRESET' }]);
    // What was asked of the agent that went, once each at most.
    const codes = { readFile: 'EIO', readFileSync: 'EIO', stat: 'EIO', createReadStream: 'EIO', lookup: 'EAI_AGAIN' };
    const calls = failures.filter(({ failed }) => failed !== 'stream');
    for (const { failed, code } of calls) expect({ failed, code }).toEqual({ failed, code: codes[failed as 'stat'] });
    expect(calls.length).toBeLessThanOrEqual(2);
    for (const text of [running.stderr(), thief.stderr, listener.stderr]) {
      expect(
        text.match(/warning: the agent is gone, its connections are reset and a new one is being started/g),
      ).toHaveLength(1);
    }
    const after = await agentJobs(world.namespace);
    expect(after.map(({ metadata }) => metadata!.name)).toEqual([before!.metadata!.name]);
    expect(after[0]!.metadata!.uid).not.toBe(before!.metadata!.uid);

    running.child.kill('SIGTERM');
    await Promise.all([running.exited, thief.leave(), listener.leave()]);
    await nothingLeft(world.namespace, 60_000);
    expect((await world.call('http')).by).toBe('pod');
  });
});

describe('an outage that is longer than the grace time', () => {
  it('costs what was open, and the app goes on with a new session', { timeout: 300_000 }, async () => {
    const grace = { MIRRORD_AGENT_GRACE: '4' };
    const running = goOn(grace);
    const thief = await develop({ ...STEAL, ...grace }, ['tcp']);
    await usesEverything(running);
    await isStolen();
    await proxy.close();
    await running.line('the stream to end', (line) => line.failed === 'stream', 90_000);
    // The agent gives the port back when it gives the session up, whether its client can be told or not.
    await eventually('the pod to have its port', async () => (await world.call('tcp')) === 'pod:hello', 60_000);
    proxy.set({});
    await isStolen();
    const { calls } = progress(running);
    await running.line('calls to work again', (line) => line.calls > calls + 10, 90_000);
    expect(running.lines.filter((line) => line.failed === 'stream')).toEqual([
      { failed: 'stream', code: 'ECONNRESET' },
    ]);
    for (const text of [running.stderr(), thief.stderr])
      expect(text.match(/warning: the agent is gone/g)).toHaveLength(1);
    expect(running.stderr()).toMatch(/did not come back within 4 s/);
    running.child.kill('SIGTERM');
    await Promise.all([running.exited, thief.leave()]);
    await nothingLeft(world.namespace, 60_000);
  });
});
