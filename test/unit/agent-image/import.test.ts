import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../support/run-process';

/** Programs that people load images with, where this machine has them. */
const NAME = 'registry.example.com/team/agent:1.2.3';
const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const has = (program: string) =>
  isRoot && (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, program)));
for (const program of ['skopeo', 'umoci', 'containerd', 'podman', 'buildah']) {
  if (!has(program)) console.warn(`skipped: the agent's image with ${program} (not installed, or not root)`);
}

let folder: string;
let archive: string;
const run = (command: string, args: string[], cwd = folder): string =>
  execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });

describe.skipIf(!isRoot)("the agent's image is what other programs take for one", () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mirrord-import-'));
    archive = join(folder, 'agent.tar');
    run(process.execPath, ['scripts/build-agent-image.mjs', '--output', archive, '--name', NAME], root);
  }, 180_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.skipIf(!has('skopeo'))(
    'skopeo: as an OCI archive, and as docker load reads it',
    () => {
      for (const form of ['oci-archive', 'docker-archive']) {
        const config = JSON.parse(run('skopeo', ['inspect', '--config', `${form}:${archive}`]));
        expect(config).toMatchObject({ os: 'linux', config: { Entrypoint: ['node', '/opt/mirrord/agent.cjs'] } });
        // Copies every layer, and with that checks each digest.
        run('skopeo', ['copy', '--insecure-policy', `${form}:${archive}`, `dir:${join(folder, form)}`]);
      }
    },
    180_000,
  );

  it.skipIf(!has('skopeo') || !has('umoci'))(
    'umoci: unpacked by the rules of the OCI, it holds Node and the agent',
    () => {
      run('skopeo', ['copy', '--insecure-policy', `oci-archive:${archive}`, 'oci:layout:agent']);
      run('umoci', ['unpack', '--image', 'layout:agent', 'bundle']);
      expect(run('chroot', ['bundle/rootfs', '/usr/local/bin/node', '--version']).trim()).toBe(process.version);
      const { process: started } = JSON.parse(readFileSync(join(folder, 'bundle', 'config.json'), 'utf8'));
      expect(started.args).toEqual(['node', '/opt/mirrord/agent.cjs']);
      expect(existsSync(join(folder, 'bundle', 'rootfs', 'opt', 'mirrord', 'agent.cjs'))).toBe(true);
    },
    180_000,
  );

  it.skipIf(!has('containerd') || !has('ctr'))(
    'containerd: ctr images import, complete and under its name',
    async () => {
      const place = (name: string) => join(folder, name);
      writeFileSync(
        place('config.toml'),
        `version = 2
root = "${place('root')}"
state = "${place('state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "${place('c.sock')}"
[ttrpc]
address = "${place('t.sock')}"
`,
      );
      const daemon = spawn('containerd', ['-c', place('config.toml')], { stdio: ['ignore', 'ignore', 'pipe'] });
      try {
        await new Promise<void>((resolve, reject) => {
          let said = '';
          daemon.stderr.on('data', (chunk) => {
            said += chunk;
            if (said.includes('successfully booted')) resolve();
          });
          daemon.once('close', () => reject(new Error(`containerd ended: ${said}`)));
        });
        const ctr = (...args: string[]) => run('ctr', ['-a', place('c.sock'), '-n', 'k8s.io', ...args]);
        ctr('images', 'import', '--snapshotter', 'native', archive);
        expect(ctr('images', 'ls', '-q').trim()).toBe(NAME);
        expect(ctr('images', 'check', '--snapshotter', 'native')).toMatch(/complete \(\d\/\d\).*true/);
      } finally {
        daemon.kill('SIGTERM');
        await new Promise((resolve) => daemon.once('close', resolve));
      }
    },
    180_000,
  );

  const storage = () => [
    '--root',
    join(folder, 'storage'),
    '--runroot',
    join(folder, 'storage-run'),
    '--storage-driver',
    'vfs',
  ];

  it.skipIf(!has('podman'))(
    'podman: load, under its name',
    () => {
      expect(run('podman', [...storage(), 'load', '-i', archive])).toContain(`Loaded image: ${NAME}`);
    },
    180_000,
  );

  it.skipIf(!has('buildah'))(
    'buildah: the Dockerfile on a base of another kin, which has the tools already',
    () => {
      const context = join(folder, 'context');
      mkdirSync(join(context, 'dist'), { recursive: true });
      copyFileSync(`${root}dist/agent.cjs`, join(context, 'dist', 'agent.cjs'));
      const dockerfile = `${root}agent-image/Dockerfile`;
      const base = ['--build-arg', `BASE=oci-archive:${archive}`];
      run('buildah', [...storage(), 'bud', '--isolation', 'chroot', ...base, '-f', dockerfile, '-t', 'built', context]);
      const { OCIv1 } = JSON.parse(run('buildah', [...storage(), 'inspect', '--type', 'image', 'built']));
      expect(OCIv1.config.Entrypoint).toEqual(['node', '/opt/mirrord/agent.cjs']);
    },
    180_000,
  );
});
