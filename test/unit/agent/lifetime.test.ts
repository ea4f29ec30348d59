import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readProcess } from '../../../src/agent/target/process-facts';
import { dialSocket } from '../../../src/tunnel/transports/socket';
import { connectTunnel } from '../../../src/tunnel/tunnel';
import { type Agent, type PodNode, startPodNode, TOKEN, until, whyNot } from './pod-node';

const reason = whyNot();
if (reason) console.warn(`skipped: the agent's integration tests (${reason})`);

const dial = (port: number) =>
  connectTunnel({ dial: dialSocket({ port }), token: TOKEN, clientName: 'test', graceMs: 100 });
const workersOf = (agent: Agent): number[] => {
  const pid = agent.pid();
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
};
const workerOf = (agent: Agent) => workersOf(agent)[0]!;
const hasEnded = (pid: number) => readProcess(pid) === undefined;

describe.skipIf(reason)('the life of an agent', () => {
  let node: PodNode;
  const targeted = (env: Record<string, string> = {}) =>
    node.startAgent(['--port', '0', 'targeted', '--container-id', node.containerId], env);

  beforeAll(async () => {
    node = await startPodNode();
  });
  afterAll(() => node?.close());

  it('ends with code 0 when no client came in time, and not when one did', async () => {
    const lonely = targeted({ MIRRORD_AGENT_COMMUNICATION_TIMEOUT: '1' });
    const visited = targeted({ MIRRORD_AGENT_COMMUNICATION_TIMEOUT: '1', MIRRORD_AGENT_IDLE_TIMEOUT: '1' });
    const link = await dial(await visited.ready());
    expect(await lonely.exited).toBe(0);
    expect(lonely.stderr()).toContain('no client came within 1 s');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(visited.process.exitCode).toBe(null);
    await link.close();
    expect(await visited.exited).toBe(0);
    expect(visited.stderr()).toContain('no session for 1 s');
  });

  it('stays for its idle time after the last session, and a new session within it keeps it', async () => {
    const agent = targeted({ MIRRORD_AGENT_IDLE_TIMEOUT: '1' });
    const port = await agent.ready();
    await (await dial(port)).close();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const second = await dial(port);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(agent.process.exitCode).toBe(null);
    await second.close();
    expect(await agent.exited).toBe(0);
  });

  it('a session whose link is lost counts until its grace time is over', async () => {
    const agent = targeted({ MIRRORD_AGENT_IDLE_TIMEOUT: '0', MIRRORD_AGENT_GRACE: '1' });
    const port = await agent.ready();
    let transport: { destroy(): void } | undefined;
    const inner = dialSocket({ port });
    let dials = 0;
    const link = await connectTunnel({
      dial: async (signal) => {
        if (++dials > 1) throw new Error('no more');
        const socket = await inner(signal);
        transport = socket;
        return socket;
      },
      token: TOKEN,
      clientName: 'test',
      graceMs: 50,
    });
    const lostAt = performance.now();
    transport!.destroy();
    await link.closed;
    expect(await agent.exited).toBe(0);
    expect(performance.now() - lostAt).toBeGreaterThan(950);
    expect(agent.stderr()).toContain('session parked');
  });

  it('SIGTERM says goodbye to the clients and ends with code 0 within 3 s', async () => {
    const agent = targeted();
    const link = await dial(await agent.ready());
    const started = performance.now();
    process.kill(agent.pid(), 'SIGTERM');
    expect(await link.closed).toMatchObject({ message: expect.stringContaining('SIGTERM') });
    expect(await agent.exited).toBe(0);
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it('SIGKILL of the supervisor ends the worker at once', async () => {
    const agent = targeted();
    await agent.ready();
    const worker = workerOf(agent);
    process.kill(agent.pid(), 'SIGKILL');
    await until('the end of the worker', () => hasEnded(worker), 1000);
  });

  it('SIGKILL of the worker ends the supervisor with code 1', async () => {
    const agent = targeted();
    await agent.ready();
    process.kill(workerOf(agent), 'SIGKILL');
    expect(await agent.exited).toBe(1);
    expect(agent.stderr()).toContain('the worker ended by itself signal=SIGKILL');
  });

  it('connections from before the worker is there are served too', async () => {
    const agent = targeted({ MIRRORD_AGENT_IDLE_TIMEOUT: '0' });
    const port = await until(
      'the port',
      () => Number(/listening on 127\.0\.0\.1:(\d+)/.exec(agent.stderr())?.[1]) || undefined,
    );
    expect(agent.stdout()).toBe('');
    const links = await Promise.all(Array.from({ length: 5 }, () => dial(port)));
    for (const link of links) expect((await link.call('info', {})).result.hostname).toBe('the-pod');
    await Promise.all(links.map((link) => link.close()));
    expect(await agent.exited).toBe(0);
  });

  it('a port that is taken and bad arguments are said plainly', async () => {
    const first = targeted();
    const port = await first.ready();
    const second = node.startAgent(['--port', String(port), 'targeted', '--container-id', node.containerId]);
    expect(await second.exited).toBe(1);
    expect(second.stderr()).toContain('LISTEN_FAILED');
    process.kill(first.pid(), 'SIGTERM');
    const wrong = node.startAgent(['--port', '0', 'targeted', '--container-id', 'short']);
    expect(await wrong.exited).toBe(2);
    expect(wrong.stderr()).toMatch(/AGENT_ARGUMENTS_INVALID: --container-id must be 64 .* got "short"/);
    const anonymous = node.startAgent(['--port', '0', 'targetless'], { MIRRORD_AGENT_TOKEN: 'not-hex' });
    expect(await anonymous.exited).toBe(2);
    expect(anonymous.stderr()).not.toContain('not-hex');
    await first.exited;
  });

  it('without nsenter it says so', async () => {
    const agent = node.startAgent(['--port', '0', 'targeted', '--container-id', node.containerId], {
      NO_TOOLS: '1',
    });
    expect(await agent.exited).toBe(1);
    expect(agent.stderr()).toContain('error agent: mirrord: NSENTER_MISSING');
  });

  it('inside the pod of its target it is one process, and leaves the resolver files alone', async () => {
    const before = readFileSync(join(node.folder, 'agent-hosts'), 'utf8');
    const args = ['--port', '0', 'targeted', '--container-id', node.containerId, '--ephemeral'];
    const agent = node.startAgent(args, { MIRRORD_AGENT_IDLE_TIMEOUT: '0' });
    const link = await dial(await agent.ready());
    expect(workersOf(agent)).toEqual([]);
    expect((await link.call('info', {})).result).toMatchObject({ targeted: true });
    const { raw } = await link.call('fs.readFile', { path: '/srv/app/config.txt' });
    expect(Buffer.from(raw).toString()).toBe('file of the pod');
    expect((await link.call('env', { include: ['GREETING'], exclude: [] })).result.env.GREETING).toBe('hello pod');
    await link.close();
    expect(await agent.exited).toBe(0);
    expect(readFileSync(join(node.folder, 'agent-hosts'), 'utf8')).toBe(before);
  });

  it('serves its own pod without a target', async () => {
    const agent = node.startAgent(['--port', '0', 'targetless'], { MIRRORD_AGENT_IDLE_TIMEOUT: '0', OWN: 'yes' });
    const link = await dial(await agent.ready());
    expect((await link.call('info', {})).result).toMatchObject({ targeted: false, targetPid: 0 });
    const { env } = (await link.call('env', { include: [], exclude: [] })).result;
    expect(env.OWN).toBe('yes');
    expect(Object.keys(env).filter((name) => name.startsWith('MIRRORD_AGENT_'))).toEqual([]);
    const { raw } = await link.call('fs.readFile', { path: '/etc/resolv.conf' });
    expect(Buffer.from(raw).toString()).toContain('nameserver');
    await link.close();
    expect(await agent.exited).toBe(0);
  });
});

describe.skipIf(reason)('the end of the target', () => {
  it('ends the agent with code 0 after a short wait for a successor', async () => {
    const node = await startPodNode();
    try {
      const agent = node.startAgent(['--port', '0', 'targeted', '--container-id', node.containerId]);
      const link = await dial(await agent.ready());
      process.kill(node.targetPid, 'SIGKILL');
      expect(await link.closed).toMatchObject({ message: expect.stringContaining('target container has ended') });
      expect(await agent.exited).toBe(0);
    } finally {
      node.close();
    }
  });
});
