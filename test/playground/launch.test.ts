import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { afterEach, describe, expect, it } from 'vitest';
import { diagnosePlayground } from '../../src/playground/doctor';
import { launchPlayground } from '../../src/playground/launch';
import { Cluster, until } from './support/cluster';

const root = process.getuid?.() === 0;
const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** Process ids whose network namespace is none of those that existed before. */
function processesOutside(namespaces: Set<string>): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return !namespaces.has(readlinkSync(`/proc/${pid}/ns/net`));
      } catch {
        return false;
      }
    })
    .map(Number);
}

function descendants(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number);
    return children.flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return [];
  }
}

const cards = () =>
  execFileSync('ip', ['-o', 'link'], { encoding: 'utf8', env: { PATH: `${process.env.PATH}:/usr/sbin` } });
const mounts = () => readFileSync('/proc/self/mounts', 'utf8');

describe('starting and ending a playground', () => {
  it('is reachable only with its token', async () => {
    const cluster = await Cluster.start();
    try {
      expect((await cluster.call('GET', '/api/v1/nodes')).json.items[0].metadata.name).toBe('playground');
      expect((await cluster.call('GET', '/api/v1/nodes', undefined, 'wrong')).status).toBe(401);
    } finally {
      await cluster.stop();
    }
  });

  it('says which port is taken', async () => {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as { port: number };
    const bundles = process.env.MIRRORD_PLAYGROUND_BUNDLES ?? tmpdir();
    await expect(launchPlayground({ port, bundles })).rejects.toMatchObject({
      code: 'PLAYGROUND_PORT_IN_USE',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    server.close();
  });

  it('fails with what the node said when the node cannot start', async () => {
    const bundles = mkdtempSync(join(tmpdir(), 'broken-'));
    writeFileSync(join(bundles, 'playground-node.cjs'), 'throw new Error("broken on purpose")');
    await expect(launchPlayground({ bundles })).rejects.toMatchObject({
      code: 'PLAYGROUND_START_FAILED',
      message: expect.stringContaining('broken on purpose'),
    });
  });

  it.each([...(root ? [{ user: 0 }, { user: 65534 }] : [{ user: process.getuid!() }])])(
    'leaves no process, namespace, network card or mount when its starter is killed (uid $user)',
    async ({ user }) => {
      const folder = mkdtempSync(join(tmpdir(), 'starter-'));
      chmodSync(folder, 0o755);
      const outfile = join(folder, 'starter.mjs');
      const support = resolve(import.meta.dirname, 'support/starter.ts');
      const external = ['bufferutil', 'utf-8-validate', 'cbor-extract'];
      const define = { __MIRRORD_VERSION__: '"0.0.0-test"' };
      const common = { bundle: true, platform: 'node', external, define, logLevel: 'error' } as const;
      const given = process.env.MIRRORD_PLAYGROUND_BUNDLES;
      const banner = {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      };
      const node = resolve(import.meta.dirname, '../../src/playground/node.ts');
      if (!given)
        await build({ ...common, entryPoints: [node], outfile: join(folder, 'playground-node.cjs'), format: 'cjs' });
      await build({ ...common, entryPoints: [support], outfile, format: 'esm', banner });
      const before = { namespaces: new Set<string>(), cards: cards(), mounts: mounts() };
      for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
        try {
          before.namespaces.add(readlinkSync(`/proc/${pid}/ns/net`));
        } catch {
          // It ended.
        }
      }
      const drop = root && user !== 0 ? { uid: user, gid: user } : {};
      const starter = spawn(process.execPath, [outfile, given ?? folder], {
        stdio: ['ignore', 'pipe', 'inherit'],
        cwd: '/',
        ...drop,
      });
      started.push(starter);
      const line = await new Promise<string>((first) => {
        createInterface({ input: starter.stdout! }).once('line', first);
        starter.once('exit', (code) => first(`it ended with code ${code}`));
      });
      expect(line).toBe('pod ready');
      const family = descendants(starter.pid!);
      expect(family.length).toBeGreaterThan(4);
      expect(processesOutside(before.namespaces).length).toBeGreaterThan(2);

      starter.kill('SIGKILL');
      const alive = (pid: number) => readdirSync('/proc').includes(String(pid));
      await until(() => (family.some(alive) ? undefined : true), 'all processes to end', 5_000);
      expect(cards()).toBe(before.cards);
      expect(mounts()).toBe(before.mounts);
    },
    60_000,
  );

  it('works for an ordinary user, and says so in its doctor', async () => {
    const diagnosis = await diagnosePlayground();
    expect(diagnosis.checks.filter((check) => !check.ok)).toEqual([]);
    expect(diagnosis.ok).toBe(true);
  });
});
