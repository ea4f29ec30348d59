import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { withPreload } from '../../src/runtime/inherit';
import { agentJobs, eventually } from '../support/cluster';
import { installWithSpace } from '../support/install-with-space';
import { cli } from '../support/spawn-app';
import { Tools } from '../support/tools';
import { agentPods, nothingLeft } from './agents';
import { createPlace, type Place } from './running';
import { createWorld, fixturePath, type World } from './world';

const LIMIT_MS = 120_000;
/** Next.js and Nx are hundreds of megabytes: only when asked for. */
const WITH_LARGE = process.env.MIRRORD_E2E_TOOLS === 'all';

const small = new Tools('tools', [
  'yarn@1.22.22',
  '@yarnpkg/cli-dist@4',
  'pnpm@9',
  'corepack@0.34',
  'nodemon@3',
  'tsx@4',
  'turbo@2',
]);
const large = new Tools('large-tools', ['nx@22', 'next@16', 'react@19', 'react-dom@19']);
const available = await small.install();
const availableLarge = WITH_LARGE && (await large.install());
const npmFile = (name: string) => realpathSync(join(dirname(process.execPath), name));

let world: World;
let place: Place;
let installed: ReturnType<typeof installWithSpace>;
const children: ChildProcess[] = [];

beforeAll(async () => {
  installed = installWithSpace();
  world = await createWorld('tools');
}, LIMIT_MS);
afterAll(async () => {
  rmSync(installed.folder, { recursive: true, force: true });
  await world?.drop();
});
beforeEach(() => {
  place = createPlace('my project ');
  copyFileSync(fixturePath('tool-app.cjs'), join(place.cwd, 'app.cjs'));
  write('package.json', { name: 'my-app', version: '1.0.0', private: true, scripts: { app: 'node app.cjs' } });
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const pid of place.processes()) process.kill(pid, 'SIGKILL');
  place.remove();
});

const write = (name: string, value: unknown) =>
  place.write(name, typeof value === 'string' ? value : JSON.stringify(value));

interface Tree {
  child: ChildProcess;
  output(): string;
  /** What each app of the tree has said. */
  facts(): { hostname: string; variable: string; options: string }[];
  closed: Promise<number | null>;
}

/** Starts a tool with the preload in NODE_OPTIONS, as `NODE_OPTIONS=… npm run dev` does. */
function startTree(args: string[], env: Record<string, string | undefined> = {}, wish = true): Tree {
  const options = withPreload(undefined, join(installed.root, 'register.cjs'));
  const all: NodeJS.ProcessEnv = {
    ...process.env,
    ...world.env,
    ...{ TMPDIR: place.tmp, XDG_CACHE_HOME: place.tmp, HOME: place.tmp, MIRRORD_AGENT_GRACE: '5' },
    ...(wish && { NODE_OPTIONS: options }),
    ...env,
  };
  for (const name of Object.keys(all)) if (all[name] === undefined || /^(VITEST|npm_)/.test(name)) delete all[name];
  const child = spawn(process.execPath, args, { cwd: place.cwd, env: all, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
  return {
    child,
    output: () => text,
    facts: () => [...text.matchAll(/\{"facts":(\{.*?\})\}/g)].map(([, json]) => JSON.parse(json!)),
    closed: new Promise((resolve) => child.once('close', resolve)),
  };
}

/** One session in the tree, and it is the app's: a tool that had started one would have said so as well. */
function expectOneSession(tree: Tree, sessions = 1): void {
  expect(tree.output().match(/mirrord: connected: this process runs as/g) ?? []).toHaveLength(sessions);
  for (const { hostname, variable, options } of tree.facts()) {
    expect({ hostname, variable }).toEqual({ hostname: world.pod, variable: 'from a Secret' });
    expect(options.match(/--require=/g)).toHaveLength(1);
    expect(options).toContain(`--require="${installed.root.replaceAll('"', '\\"')}/register.cjs"`);
  }
}

const berry = () => {
  write('.yarnrc.yml', 'nodeLinker: node-modules\nenableTelemetry: false\nenableGlobalCache: false\n');
  write('yarn.lock', '');
  mkdirSync(join(place.cwd, '.yarn', 'releases'), { recursive: true });
  const release = join(place.cwd, '.yarn', 'releases', 'yarn-4.0.0.cjs');
  copyFileSync(small.file('@yarnpkg/cli-dist/bin/yarn.js'), release);
  return release;
};
const turbo = () => {
  write('turbo.json', { tasks: { app: { cache: false } } });
  const manifest = JSON.parse(readFileSync(join(place.cwd, 'package.json'), 'utf8'));
  write('package.json', { ...manifest, packageManager: 'npm@10.0.0', workspaces: ['.'] });
  return small.file('turbo/bin/turbo');
};
/** As installed in a project: `.bin` holds links. */
const linked = (target: string, name: string) => {
  mkdirSync(join(place.cwd, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(target, join(place.cwd, 'node_modules', '.bin', name));
  return join(place.cwd, 'node_modules', '.bin', name);
};

interface Launch {
  args(): string[];
  env?: Record<string, string>;
  setUp?(tool: (args: string[]) => Tree): Promise<unknown>;
}

const corepackEnv = { COREPACK_ENABLE_DOWNLOAD_PROMPT: '0', COREPACK_INTEGRITY_KEYS: '0' };
const launches: Record<string, Launch> = {
  'npm run': { args: () => [npmFile('npm'), 'run', 'app'] },
  'npx -c': { args: () => [npmFile('npx'), '-c', 'node app.cjs'] },
  'yarn 1': { args: () => [small.file('yarn/bin/yarn.js'), 'run', 'app'] },
  'yarn 4': {
    args: () => [join(place.cwd, '.yarn/releases/yarn-4.0.0.cjs'), 'run', 'app'],
    setUp: (tool) => tool([berry(), 'install', '--no-immutable']).closed,
  },
  'pnpm run': { args: () => [linked(small.file('pnpm/bin/pnpm.cjs'), 'pnpm'), 'run', 'app'] },
  'pnpm exec': { args: () => [small.file('pnpm/bin/pnpm.cjs'), 'exec', 'node', 'app.cjs'] },
  'corepack yarn': {
    args: () => [small.file('corepack/dist/corepack.js'), 'yarn@1.22.22', 'run', 'app'],
    env: corepackEnv,
  },
  'turbo run': { args: () => [turbo(), 'run', 'app'], env: { TURBO_TELEMETRY_DISABLED: '1' } },
  'npm run with tsx': {
    args: () => {
      write('package.json', { name: 'my-app', scripts: { app: 'tsx app.cjs' } });
      linked(small.file('tsx/dist/cli.mjs'), 'tsx');
      return [npmFile('npm'), 'run', 'app'];
    },
  },
};

describe.skipIf(!available)('the app under a tool has the session, and the tool has none:', () => {
  it.each(Object.keys(launches))(
    '%s',
    async (name) => {
      const { args, env, setUp } = launches[name]!;
      await setUp?.((given) => startTree(given, { MIRRORD_DISABLE: '1' }));
      const tree = startTree(args(), env);
      expect(await tree.closed, tree.output()).toBe(0);
      expect(tree.facts(), tree.output()).toHaveLength(1);
      expectOneSession(tree);
      expect((await agentJobs(world.namespace)).length).toBeLessThanOrEqual(1);
    },
    LIMIT_MS,
  );

  it.each(['npm run', 'pnpm run', 'npm run with tsx'])(
    'mirrord exec -- %s',
    async (name) => {
      const { args } = launches[name]!;
      const tree = startTree([cli, 'exec', '--', process.execPath, ...args()], {}, false);
      expect(await tree.closed, tree.output()).toBe(0);
      expect(tree.facts(), tree.output()).toMatchObject([{ hostname: world.pod, variable: 'from a Secret' }]);
    },
    LIMIT_MS,
  );
});

const watchers: Record<string, () => string[]> = {
  nodemon: () => [linked(small.file('nodemon/bin/nodemon.js'), 'nodemon'), 'app.cjs'],
  'node --watch': () => ['--watch', 'app.cjs'],
  'tsx watch': () => [small.file('tsx/dist/cli.mjs'), 'watch', 'app.cjs'],
};

describe.skipIf(!available)('an app that is started again by', () => {
  it.each(Object.keys(watchers))(
    '%s joins the warm agent',
    async (name) => {
      const tree = startTree(watchers[name]!(), { STAY: '1', CI: undefined, MIRRORD_AGENT_IDLE_TIMEOUT: '10' });
      const agents = new Set<string | undefined>();
      for (let round = 1; round <= 3; round++) {
        await eventually(`start ${round} of the app\n`, async () => tree.facts().length === round, 60_000).catch(
          (error) => {
            throw new Error(`${error.message}\n${tree.output()}`);
          },
        );
        for (const { metadata } of await agentPods(world.namespace)) agents.add(metadata!.name);
        writeFileSync(join(place.cwd, 'app.cjs'), `${readFileSync(join(place.cwd, 'app.cjs'), 'utf8')}\n// ${round}\n`);
      }
      await eventually('the last start', async () => tree.facts().length === 4, 60_000);
      expectOneSession(tree, 4);
      expect(tree.output().match(/mirrord: Agent \S+ joined/g)).toHaveLength(3);
      expect(agents.size).toBe(1);
      tree.child.kill('SIGTERM');
      await tree.closed;
      await eventually('no process to be left', async () => place.processes().length === 0);
      await nothingLeft(world.namespace, 60_000);
    },
    3 * LIMIT_MS,
  );
});

describe.skipIf(!availableLarge)('a large tool', () => {
  it.each(['false', 'true'])(
    'nx, with its daemon: %s',
    async (NX_DAEMON) => {
      write('package.json', { name: 'root', private: true });
      write('nx.json', { analytics: false });
      const options = { command: 'node app.cjs' };
      write('project.json', { name: 'my-app', targets: { app: { executor: 'nx:run-commands', options } } });
      symlinkSync(large.file(''), join(place.cwd, 'node_modules'));
      const nx = large.file('nx/dist/bin/nx.js');
      const tree = startTree([nx, 'run', 'my-app:app'], { NX_DAEMON });
      try {
        expect(await tree.closed, tree.output()).toBe(0);
        expect(tree.facts(), tree.output()).toHaveLength(1);
        expectOneSession(tree);
      } finally {
        await startTree([nx, 'daemon', '--stop'], { MIRRORD_DISABLE: '1' }).closed;
      }
    },
    LIMIT_MS,
  );

  it(
    'next dev, which writes NODE_OPTIONS anew for its server',
    async () => {
      write('package.json', { name: 'my-next', private: true });
      mkdirSync(join(place.cwd, 'pages', 'api'), { recursive: true });
      place.write(
        'pages/api/facts.js',
        `import { hostname } from 'node:os';
         export default (request, response) => response.json({ hostname: hostname(), variable: process.env.FROM_SECRET });`,
      );
      symlinkSync(large.file(''), join(place.cwd, 'node_modules'));
      const tree = startTree([large.file('next/dist/bin/next'), 'dev', '--webpack', '-p', '3811', '-H', '127.0.0.1'], {
        NEXT_TELEMETRY_DISABLED: '1',
      });
      const facts = await eventually(
        'the server of Next.js to answer',
        async () => {
          const answer = await fetch('http://127.0.0.1:3811/api/facts').catch(() => undefined);
          return answer?.ok ? answer.json() : undefined;
        },
        90_000,
      ).catch((error) => {
        throw new Error(`${error.message}\n${tree.output()}`);
      });
      expect(facts).toEqual({ hostname: world.pod, variable: 'from a Secret' });
      expect((await agentJobs(world.namespace)).length).toBe(1);
      tree.child.kill('SIGTERM');
      await tree.closed;
    },
    2 * LIMIT_MS,
  );
});
