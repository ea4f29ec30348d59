import { execFile, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeArchive } from '../../../scripts/oci-archive.mjs';
import { readTar, writeTar } from '../../../scripts/tar.mjs';
import { cleanupScript, hookScript, restoreText } from '../../../src/agent/incoming/rules/iptables-text';
import { whyNot } from '../agent/pod-node';

const root = new URL('../../..', import.meta.url).pathname;
const NAME = 'registry.example.com/team/agent:1.2.3';
const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

let folder: string;
let files: Map<string, Buffer>;
const blob = (digest: string) => files.get(`blobs/sha256/${digest.slice(7)}`)!;
const json = (bytes: Buffer) => JSON.parse(bytes.toString('utf8'));

describe.skipIf(process.platform !== 'linux')('npm run build:agent-image', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mirrord-image-'));
    const output = join(folder, 'agent.tar');
    await promisify(execFile)(process.execPath, ['scripts/build-agent-image.mjs', '--output', output, '--name', NAME], {
      cwd: root,
    });
    files = readTar(readFileSync(output));
  }, 180_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is an OCI layout in which every digest and size is right', () => {
    expect(json(files.get('oci-layout')!)).toEqual({ imageLayoutVersion: '1.0.0' });
    const [descriptor] = json(files.get('index.json')!).manifests;
    expect(descriptor.annotations).toEqual({
      'io.containerd.image.name': NAME,
      'org.opencontainers.image.ref.name': '1.2.3',
    });
    const manifest = json(blob(descriptor.digest));
    for (const { digest, size } of [descriptor, manifest.config, ...manifest.layers]) {
      expect(sha256(blob(digest))).toBe(digest);
      expect(blob(digest).length).toBe(size);
    }
    const config = json(blob(manifest.config.digest));
    expect(config.rootfs.diff_ids).toEqual(manifest.layers.map((layer: any) => sha256(gunzipSync(blob(layer.digest)))));
    expect(config).toMatchObject({ os: 'linux', config: { Entrypoint: ['node', '/opt/mirrord/agent.cjs'] } });
    const [docker] = json(files.get('manifest.json')!);
    expect(docker.RepoTags).toEqual([NAME]);
    for (const path of [docker.Config, ...docker.Layers]) expect(files.has(path)).toBe(true);
  });

  it('has the entrypoint of the Dockerfile', () => {
    const [, entrypoint] = /^ENTRYPOINT (.*)$/m.exec(readFileSync(`${root}agent-image/Dockerfile`, 'utf8'))!;
    const [docker] = json(files.get('manifest.json')!);
    expect(json(files.get(docker.Config)!).config.Entrypoint).toEqual(JSON.parse(entrypoint!));
  });

  it.skipIf(whyNot())(
    'unpacked, it is a root in which the agent and its tools run',
    async () => {
      const unpacked = join(folder, 'root');
      mkdirSync(unpacked);
      const [docker] = json(files.get('manifest.json')!);
      for (const path of docker.Layers) {
        const layer = join(folder, 'layer.tar');
        writeFileSync(layer, gunzipSync(files.get(path)!));
        execFileSync('tar', ['-xf', layer, '-C', unpacked]);
      }
      const { config } = json(files.get(docker.Config)!);
      const env = Object.fromEntries(config.Env.map((entry: string) => entry.split(/=(.*)/s)));
      const inside = (...command: string[]) =>
        execFileSync('chroot', [unpacked, ...command], { env, encoding: 'utf8' });
      expect(inside('node', '--version').trim()).toBe(process.version);
      expect(inside('nsenter', '--version')).toMatch(/util-linux/);
      if (existsSync('/usr/sbin/nft')) expect(inside('nft', '--version')).toMatch(/nftables/);
      if (existsSync('/usr/sbin/iptables')) {
        // As the agent does it where nft is of no use: in a network namespace, by a shell, both families.
        const exempt = { address: '127.6.6.6', group: 30_517 };
        const redirects = [{ port: 80, listener: 4000, address: '10.0.0.7', family: 4 as const }];
        const script = [
          `printf '%s' "$TEXT" | cat | iptables-restore -w --noflush`,
          `printf '%s' "$TEXT6" | ip6tables-restore -w --noflush`,
          hookScript('image', 'iptables'),
          'iptables -w -t nat -S',
          `{ ${cleanupScript('image')}; } || true`,
          'iptables -w -t nat -S',
        ].join('\n');
        const texts = { TEXT: restoreText('image', 4, redirects, exempt), TEXT6: restoreText('image', 6, [], exempt) };
        const listed = execFileSync('unshare', ['--net', 'chroot', unpacked, 'sh', '-ec', script], {
          env: { ...env, ...texts },
          encoding: 'utf8',
        });
        expect(listed.match(/-A PREROUTING -j MIRRORD_IN_image/g)).toHaveLength(1);
        expect(listed).toMatch(/-d 10\.0\.0\.7\S* -p tcp .*--dport 80 .*-j REDIRECT --to-ports 4000/);
        expect(listed.trimEnd().split('\n').at(-1)).toMatch(/^-P /);
      }

      const agent = spawn('chroot', [unpacked, ...config.Entrypoint, '--port', '0', 'targetless'], {
        env: { ...env, MIRRORD_AGENT_TOKEN: randomBytes(32).toString('hex') },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      try {
        let said = '';
        await new Promise<void>((resolve, reject) => {
          agent.stderr.on('data', (chunk) => (said += chunk));
          agent.stdout.on('data', (chunk) => {
            said += chunk;
            if (said.includes('agent ready - version ')) resolve();
          });
          agent.once('close', (code) => reject(new Error(`the agent ended with ${code}: ${said}`)));
        });
      } finally {
        agent.kill('SIGKILL');
      }
    },
    180_000,
  );
});

describe('an archive for two architectures', () => {
  it('has one index with the manifests of both', () => {
    const layers = [writeTar([{ path: 'a', content: Buffer.from('a') }])];
    const first = writeArchive({ name: NAME, architecture: 'arm64', layers, config: {} });
    const parts = readTar(writeArchive({ name: NAME, architecture: 'amd64', layers, config: {}, others: [first] }));
    const at = (digest: string) => parts.get(`blobs/sha256/${digest.slice(7)}`)!;
    const [top] = json(parts.get('index.json')!).manifests;
    const { manifests } = json(at(top.digest));
    expect(manifests.map((entry: any) => entry.platform.architecture)).toEqual(['amd64', 'arm64']);
    for (const entry of manifests) {
      const manifest = json(at(entry.digest));
      expect(json(at(manifest.config.digest)).architecture).toBe(entry.platform.architecture);
      expect(at(manifest.layers[0].digest)).toBeDefined();
    }
  });
});

describe('a tar archive', () => {
  it('is what tar itself reads, with long paths, modes and links', () => {
    const long = `${'folder/'.repeat(20)}file`;
    const archive = writeTar([
      { path: 'bin', type: 'folder' },
      { path: 'bin/run', mode: 0o755, content: Buffer.from('x'.repeat(513)) },
      { path: 'link', type: 'link', target: 'bin/run' },
      { path: long, content: Buffer.from('deep') },
    ]);
    const listed = execFileSync('tar', ['-tvf', '-'], { input: archive, encoding: 'utf8' });
    expect(listed).toMatch(/^drwxr-xr-x .* bin\/$/m);
    expect(listed).toMatch(/^-rwxr-xr-x .* 513 .* bin\/run$/m);
    expect(listed).toContain('link -> bin/run');
    expect(execFileSync('tar', ['-xOf', '-', long], { input: archive, encoding: 'utf8' })).toBe('deep');
    expect(readTar(archive).get(long)?.toString()).toBe('deep');
  });

  it('refuses a path that the format cannot hold', () => {
    expect(() => writeTar([{ path: 'x'.repeat(101) }])).toThrow(/too long/);
  });
});
