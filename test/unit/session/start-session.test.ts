import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AgentThread, startAgentThread } from '../../support/bridge/agent-thread';
import { type Bundles, buildBundles } from '../../support/bridge/bundles';
import { runNode } from '../../support/bridge/run-node';

let bundles: Bundles;
let agent: AgentThread;
let folder: string;

beforeAll(async () => {
  bundles = await buildBundles();
  agent = await startAgentThread(bundles.agent);
  folder = mkdtempSync(join(tmpdir(), 'mirrord-session-'));
});
afterAll(async () => {
  await agent?.close();
  bundles?.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a body with `startSession`, and gives what it printed as JSON. */
async function run(body: string, flags: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<any> {
  const file = join(folder, `body-${Math.random().toString(36).slice(2)}.cjs`);
  writeFileSync(
    file,
    `const { startSession, isMirrordError } = require(${JSON.stringify(bundles.index)});
     const os = require('os'), fs = require('fs');
     (async () => { ${body} })().then((value) => console.log(JSON.stringify(value)), (error) => { console.error(error); process.exit(9); });`,
  );
  const more = { TEST_AGENT_PORT: String(agent.port), FROM_POD: 'before', MIRRORD_PROGRESS: 'off', ...env };
  const { stdout, stderr, code } = await runNode([...flags, file], more);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  return JSON.parse(stdout);
}

it('a session gives the pod’s world and takes it back when it is closed', async () => {
  const seen = await run(`
    const look = () => [process.env.FROM_POD, os.hostname() === 'pod-of-the-test', process.env.MIRRORD_SESSION !== undefined, process.env.NODE_OPTIONS?.includes('register.cjs') ?? false];
    const before = look();
    const session = await startSession();
    const during = [...look(), fs.readFileSync('/size/2', 'utf8')];
    await session.close();
    await session.close();
    return { before, during, after: look(), env: session.env, hostname: session.hostname };
  `);
  expect(seen).toEqual({
    before: ['before', false, false, false],
    during: ['yes', true, true, true, 'aa'],
    after: ['before', false, false, false],
    env: { FROM_POD: 'yes' },
    hostname: 'pod-of-the-test',
  });
});

it('a second session while one is up is refused, and one after it works', async () => {
  const seen = await run(`
    const first = await startSession();
    const refused = await startSession().catch((error) => [error.code, isMirrordError(error)]);
    await first.close();
    const second = await startSession();
    const pod = process.env.FROM_POD;
    await second.close();
    return { refused, pod };
  `);
  expect(seen).toEqual({ refused: ['SESSION_ACTIVE', true], pod: 'yes' });
});

it('two starts at the same time are one too many', async () => {
  const seen = await run(`
    const [first, second] = await Promise.allSettled([startSession(), startSession()]);
    await first.value.close();
    return second.reason.code;
  `);
  expect(seen).toBe('SESSION_ACTIVE');
});

it('a start that fails leaves everything as it was, and can be tried again', async () => {
  const seen = await run(`
    process.env.TEST_FAIL = '1';
    const failed = await startSession().catch((error) => [error.code, error.message]);
    delete process.env.TEST_FAIL;
    const between = process.env.FROM_POD;
    const session = await startSession();
    await session.close();
    return { failed, between };
  `);
  expect(seen).toEqual({ failed: ['INTERNAL', 'scripted failure'], between: 'before' });
});

it('in a preloaded process it is a handle on the preload’s session, which goes on after close', async () => {
  const seen = await run(
    `const session = await startSession(); await session.close(); return [session.env, process.env.FROM_POD, fs.readFileSync('/size/1', 'utf8')]`,
    ['-r', bundles.register],
  );
  expect(seen).toEqual([{ FROM_POD: 'yes' }, 'yes', 'a']);
});

it('can be disposed of', async () => {
  const seen = await run(`
    const session = await startSession();
    await session[Symbol.asyncDispose]();
    return process.env.FROM_POD;
  `);
  expect(seen).toBe('before');
});

it('an open session does not keep the process alive', async () => {
  expect(await run('await startSession(); return 1;')).toBe(1);
});

it('variables of env_file, override and unset come to the process', async () => {
  const file = join(folder, 'some.env');
  writeFileSync(file, 'FROM_FILE="a b"\n');
  const TEST_ENV = JSON.stringify({ envFile: file, override: { OWN: 'o' }, unset: ['from_pod', 'LOCAL'] });
  const seen = await run(
    'const session = await startSession(); return [session.env, process.env.FROM_FILE, process.env.LOCAL ?? null]',
    [],
    { TEST_ENV, LOCAL: 'here' },
  );
  expect(seen).toEqual([{ FROM_FILE: 'a b', OWN: 'o' }, 'a b', null]);
});

it('an env_file that is missing ends the start with its name', async () => {
  const seen = await run('return startSession().catch((error) => [error.code, error.message])', [], {
    TEST_ENV: JSON.stringify({ envFile: '/nowhere/.env' }),
  });
  expect(seen).toEqual(['ENV_FILE_UNREADABLE', expect.stringContaining('/nowhere/.env: ENOENT')]);
});
