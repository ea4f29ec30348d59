import { afterAll, beforeAll, expect, it } from 'vitest';
import { startOwner } from '../../../src/session/start-owner';
import { type AgentThread, startAgentThread } from '../../support/bridge/agent-thread';
import { type Bundles, buildBundles } from '../../support/bridge/bundles';
import { runNode } from '../../support/bridge/run-node';

let bundles: Bundles;
let agent: AgentThread;

beforeAll(async () => {
  bundles = await buildBundles();
  agent = await startAgentThread(bundles.agent);
  process.env.TEST_AGENT_PORT = String(agent.port);
});
afterAll(async () => {
  delete process.env.TEST_AGENT_PORT;
  await agent?.close();
  bundles?.remove();
});

it('an owner changes nothing here, and what it gives makes a program join', async () => {
  const before = { ...process.env };
  const texts: string[] = [];
  const progress = ({ text }: { text: string }) => void texts.push(text);
  const owner = await startOwner({}, { paths: bundles, progress });
  expect({ ...process.env }).toEqual(before);
  expect(owner.env.FROM_POD).toBe('yes');
  expect(owner.unset).toEqual([]);
  expect(texts).toContain('scripted progress');
  const body =
    'console.log(process.env.FROM_POD, require("os").hostname(), require("fs").readFileSync("/size/2", "utf8"))';
  expect(await runNode(['-e', body], owner.env)).toMatchObject({ stdout: 'yes pod-of-the-test aa\n', stderr: '' });
  await owner.close();
  expect((await runNode(['-e', body], owner.env)).stderr).toContain('ATTACH_FAILED');
});

it('a start that is aborted rejects', async () => {
  const abort = new AbortController();
  abort.abort();
  await expect(startOwner({}, { paths: bundles, signal: abort.signal })).rejects.toMatchObject({
    code: 'START_ABORTED',
  });
});

it('a start that fails rejects with what the worker says', async () => {
  process.env.TEST_FAIL = '1';
  await expect(startOwner({}, { paths: bundles })).rejects.toMatchObject({ message: 'scripted failure' });
  delete process.env.TEST_FAIL;
});
