import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentThread, startAgentThread } from '../../support/bridge/agent-thread';
import { type Bundles, buildBundles } from '../../support/bridge/bundles';
import { runNode } from '../../support/bridge/run-node';

let bundles: Bundles;
let agent: AgentThread;
let folder: string;

beforeAll(async () => {
  bundles = await buildBundles();
  agent = await startAgentThread(bundles.agent);
  folder = mkdtempSync(join(tmpdir(), 'mirrord-preload-'));
});
afterAll(async () => {
  await agent?.close();
  bundles?.remove();
  rmSync(folder, { recursive: true, force: true });
});

const env = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  TEST_AGENT_PORT: String(agent.port),
  MIRRORD_PROGRESS: 'off',
  TMPDIR: folder,
  ...more,
});

function script(name: string, body: string): string {
  const file = join(folder, name);
  writeFileSync(file, body);
  return file;
}

const preload = (args: string[], more?: NodeJS.ProcessEnv) => runNode(['-r', bundles.register, ...args], env(more));
const report = 'console.log(JSON.stringify({ pod: process.env.FROM_POD, host: require("os").hostname() }))';

describe('an app that is preloaded', () => {
  it.each([
    ['-r', (path: string) => ['-r', path]],
    ['--require=', (path: string) => [`--require=${path}`]],
    ['--import', (path: string) => ['--import', new URL(`file://${path}`).href]],
  ])('by %s has the pod’s variables and hostname before its first line', async (_name, flags) => {
    const { stdout, stderr, code } = await runNode([...flags(bundles.register), '-e', report], env());
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    expect(JSON.parse(stdout)).toEqual({ pod: 'yes', host: 'pod-of-the-test' });
  });

  it('has them in an ES module', async () => {
    const file = script('app.mjs', 'console.log(process.env.FROM_POD)');
    expect((await preload([file])).stdout).toBe('yes\n');
  });

  it('writes progress to stderr only, and says so', async () => {
    const { stdout, stderr } = await preload(['-e', ''], { MIRRORD_PROGRESS: undefined });
    expect(stdout).toBe('');
    expect(stderr).toContain('mirrord: scripted progress');
  });

  it('exits as soon as nothing is left to do, and leaves neither session nor folder behind', async () => {
    const before = await agent.sessions();
    const { code, ms } = await preload(['-e', '']);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(5_000);
    expect(readdirSync(folder).filter((name) => /^mirrord-.{6}$/.test(name))).toEqual([]);
    await expect.poll(() => agent.sessions()).toBe(before);
  });

  it('keeps its own exit code, also from process.exit and an uncaught error', async () => {
    expect((await preload(['-e', 'process.exitCode = 7'])).code).toBe(7);
    expect((await preload(['-e', 'process.exit(8)'])).code).toBe(8);
    expect((await preload(['-e', 'throw new Error("own")'])).stderr).toContain('Error: own');
  });

  it('can read the pod’s files in its exit handlers', async () => {
    const body = `process.on('exit', () => console.log(require('fs').readFileSync('/size/5', 'utf8')));`;
    expect((await preload([script('late.cjs', body)])).stdout).toBe('aaaaa\n');
  });

  it('starts no second session when it is preloaded twice', async () => {
    const calls = async () => (await agent.calls()).filter((method) => method === 'info').length;
    const before = await calls();
    await runNode(['-r', bundles.register, '-r', join(bundles.folder, 'dist', 'register.cjs'), '-e', ''], env());
    expect((await calls()) - before).toBe(1);
  });
});

describe('child processes and threads', () => {
  const child = `console.log(JSON.stringify({ pod: process.env.FROM_POD, host: require('os').hostname(), file: require('fs').readFileSync('/size/3', 'utf8') }))`;
  const seen = { pod: 'yes', host: 'pod-of-the-test', file: 'aaa' };

  it('join the session, from a path with a space, without a second agent start', async () => {
    const target = script('child.cjs', child);
    const infos = async () => (await agent.calls()).filter((method) => method === 'info').length;
    const before = await infos();
    const body = `console.log(require('child_process').execFileSync(process.execPath, [${JSON.stringify(target)}], { encoding: 'utf8' }).trim())`;
    const { stdout, stderr } = await preload([script('parent.cjs', body)]);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(seen);
    expect((await infos()) - before).toBe(1);
  });

  it('join with an environment of their own', async () => {
    const target = script('child-env.cjs', child);
    const body = `require('child_process').spawn(process.execPath, [${JSON.stringify(target)}], { env: { FROM_POD: 'own' }, stdio: 'inherit' })`;
    const { stdout } = await preload([script('parent-env.cjs', body)]);
    expect(JSON.parse(stdout)).toEqual({ ...seen, pod: 'own' });
  });

  it('go on when their owner has ended', async () => {
    const target = script(
      'orphan.cjs',
      `process.send('up'); process.once('disconnect', () => setTimeout(() => {
        require('fs').writeFileSync(process.argv[2], require('fs').readFileSync('/size/4', 'utf8'));
      }, 300))`,
    );
    const out = join(folder, 'orphan.txt');
    const body = `const child = require('child_process').fork(${JSON.stringify(target)}, [${JSON.stringify(out)}], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], detached: true });
      child.once('message', () => { child.unref(); process.exit(); });`;
    await preload([script('leaving.cjs', body)]);
    await expect.poll(() => readText(out), { timeout: 10_000 }).toMatch(/^aaaa/);
  });

  it('that are killed are said goodbye for', async () => {
    // The child of the test before may just be ending.
    await expect.poll(() => agent.sessions(), { timeout: 5_000 }).toBe(0);
    const target = script('killed.cjs', `process.send('up'); setInterval(() => {}, 1000)`);
    const body = `const child = require('child_process').fork(${JSON.stringify(target)});
      child.once('message', () => child.kill('SIGKILL'));
      child.once('exit', () => setTimeout(() => {}, 700));`;
    await preload([script('killer.cjs', body)]);
    await expect.poll(() => agent.sessions()).toBe(0);
  });

  it('worker threads join as well', async () => {
    const target = script('thread.cjs', child);
    const body = `new (require('worker_threads').Worker)(${JSON.stringify(target)})`;
    const { stdout, stderr } = await preload([script('threads.cjs', body)]);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(seen);
  });

  it('with a session that is gone end with a message that says what to do', async () => {
    const stale = `/tmp/mirrord-nowhere/control:${'a'.repeat(64)}`;
    const { code, stderr, stdout } = await preload(['-e', 'console.log("ran")'], { MIRRORD_SESSION: stale });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^mirrord: ATTACH_FAILED: .*\n\n.*without MIRRORD_SESSION and with a target of its own \(MIRRORD_TARGET\)/,
    );
    expect(stderr).not.toContain('a'.repeat(64));
  });
});

describe('a start that fails', () => {
  it('ends the process with code 1 and one message before the app’s first line', async () => {
    const { code, stdout, stderr } = await preload(['-e', 'console.log("ran")'], { TEST_FAIL: '1' });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe('mirrord: INTERNAL: scripted failure\n');
  });

  it('lets the app run without us when that is asked for', async () => {
    const more = { TEST_LOAD_FAIL: '1', MIRRORD_ON_FAILURE: 'continue' };
    const { code, stdout, stderr } = await preload(['-e', 'console.log("ran", process.env.FROM_POD)'], more);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'ran undefined\n' });
    expect(stderr).toContain('INTERNAL');
  });

  it('stops with one clear line under the native layer', async () => {
    const { code, stderr } = await preload(['-e', ''], { MIRRORD_LAYER_INTPROXY_ADDR: '127.0.0.1:1' });
    expect(code).toBe(1);
    expect(stderr).toContain('NATIVE_LAYER_ACTIVE');
  });
});

describe('the preload stays dormant', () => {
  it('with MIRRORD_DISABLE=1', async () => {
    expect((await preload(['-e', report], { MIRRORD_DISABLE: '1' })).stdout).not.toContain('pod-of-the-test');
  });

  it('in a package manager, which passes it on to the programs it starts', async () => {
    const app = script('app-of-npm.cjs', 'console.log(process.env.FROM_POD)');
    const body = `console.log(process.env.FROM_POD); require('child_process').spawn(process.execPath, [${JSON.stringify(app)}], { stdio: 'inherit' })`;
    mkdirSync(join(folder, 'npm'));
    writeFileSync(join(folder, 'npm', 'package.json'), '{"name":"npm"}');
    const { stdout } = await preload([script('npm/npm-cli.js', body)]);
    expect(stdout).toBe('undefined\nyes\n');
  });

  it('in the thread of module hooks', async () => {
    const hooks = script('hooks.mjs', 'export const resolve = (specifier, context, next) => next(specifier, context);');
    const file = script(
      'hooked.mjs',
      `import { register } from 'node:module'; register(${JSON.stringify(`file://${hooks}`)}); await import('node:os'); console.log('done');`,
    );
    const infos = async () => (await agent.calls()).length;
    const before = await infos();
    expect((await preload([file])).stdout).toBe('done\n');
    // info and env of the one session of the main thread.
    expect((await infos()) - before).toBe(2);
  });
});

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
