// The programs of another architecture, in a folder: Debian's packages by the machine's own apt, Node by npm. Nothing is
// installed, and neither apt's nor dpkg's state of this machine changes.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const PACKAGES = [
  'util-linux',
  'nftables',
  'iptables',
  'iproute2',
  'dash',
  'coreutils',
  'libc6',
  'libstdc++6',
  'libatomic1',
];

/**
 * @param {string} architecture as Debian calls it: `arm64`
 * @param {string} folder what is in it already is used again
 * @returns {{root: string, node: string}}
 * @throws {Error} whose message says what could not be fetched, and what to do
 */
export function makeForeignRoot(architecture, folder) {
  const root = resolve(folder);
  const node = join(root, 'opt', `node-${process.version}`);
  if (!existsSync(node)) {
    const work = `${root}.work`;
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { recursive: true });
    for (const file of downloadPackages(architecture, work)) run('dpkg-deb', ['-x', file, root]);
    mkdirSync(join(root, 'opt'), { recursive: true });
    renameSync(downloadNode(architecture, work), node);
    rmSync(work, { recursive: true });
  }
  return { root, node };
}

function downloadPackages(architecture, work) {
  mkdirSync(join(work, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(work, 'cache', 'archives', 'partial'), { recursive: true });
  const settings = {
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Sandbox::User': '',
    'Dir::State::Lists': join(work, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(work, 'cache'),
    'Debug::NoLocking': '1',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  run('apt-get', [...options, '-qq', 'update']);
  // With no package installed, all that these need comes along.
  run('apt-get', [...options, '-qq', '-y', '--download-only', '--no-install-recommends', 'install', ...PACKAGES]);
  const archives = join(work, 'cache', 'archives');
  return readdirSync(archives)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(archives, name));
}

/** npm has Node's own builds as packages, one for each platform. */
function downloadNode(architecture, work) {
  const name = `node-linux-${architecture === 'amd64' ? 'x64' : architecture}@${process.version.slice(1)}`;
  run('npm', ['pack', '--silent', '--pack-destination', work, name]);
  const [archive] = readdirSync(work).filter((file) => file.endsWith('.tgz'));
  run('tar', ['-xzf', join(work, archive), '-C', work, 'package/bin/node']);
  return join(work, 'package', 'bin', 'node');
}

function run(command, args) {
  try {
    execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 * 1024 * 1024 });
  } catch (cause) {
    const why = cause.code === 'ENOENT' ? 'it is not installed' : String(cause.stderr || cause.message).trim();
    throw new Error(
      `The programs of another architecture cannot be fetched by ${command}: ${why}\n` +
        'It takes apt-get, dpkg-deb, npm and a network. Elsewhere build on a machine of that architecture, and join both archives with --merge.',
      { cause },
    );
  }
}
