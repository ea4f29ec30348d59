// Installs what the playground (and, with --servers, the tests of real clients and of iptables) needs of the system, where that can be done
// without asking: as root, with apt. Anywhere else it says the line to run, and fails only if the playground cannot work.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian's packages, by the program that has to be there. */
const PLAYGROUND = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  ip: 'iproute2',
  nft: 'nftables',
  hostname: 'hostname',
};
const FOR_TESTS = { 'redis-server': 'redis-server', postgres: 'postgresql', iptables: 'iptables' };

function postgresFolders() {
  try {
    return readdirSync('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`);
  } catch {
    return [];
  }
}

const folders = [...process.env.PATH.split(delimiter), '/usr/sbin', '/sbin', ...postgresFolders()];

function isInstalled(program) {
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const missingOf = (wanted) => [
  ...new Set(Object.entries(wanted).flatMap(([program, name]) => (isInstalled(program) ? [] : [name]))),
];

/** Packages of servers start them; here they run in pods only. */
const POLICY = '/usr/sbin/policy-rc.d';

function install(packages) {
  const apt = (...args) => {
    const { status } = spawnSync('apt-get', args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    if (status !== 0) throw new Error(`apt-get ${args.join(' ')} failed`);
  };
  console.error(`installing with apt: ${packages.join(' ')}`);
  let ownPolicy = false;
  try {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' });
    ownPolicy = true;
  } catch {
    // The machine has a policy of its own.
  }
  try {
    apt('update', '-qq');
    apt('install', '-y', '-qq', '--no-install-recommends', ...packages);
  } finally {
    if (ownPolicy) rmSync(POLICY, { force: true });
  }
}

/** Whether apt could install them. */
function tryInstall(packages) {
  try {
    install(packages);
    return true;
  } catch (error) {
    console.error(error.message);
    return false;
  }
}

if (process.platform === 'linux') {
  const needed = missingOf(PLAYGROUND);
  const wanted = process.argv.includes('--servers') ? missingOf(FOR_TESTS) : [];
  const packages = [...needed, ...wanted];
  const canInstall = process.getuid() === 0 && isInstalled('apt-get');
  if (packages.length > 0 && !(canInstall && tryInstall(packages))) {
    console.error(`missing on this machine; install it with: sudo apt-get install ${packages.join(' ')}`);
    // Tests that need the servers or iptables are skipped without them.
    if (needed.length > 0) process.exitCode = 1;
  }
}
