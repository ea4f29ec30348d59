import { findTool } from './tools';

type Manager = 'apt-get' | 'dnf' | 'apk' | 'pacman' | 'zypper';

const COMMANDS: Record<Manager, string> = {
  'apt-get': 'apt-get install -y',
  dnf: 'dnf install -y',
  apk: 'apk add',
  pacman: 'pacman -S --noconfirm',
  zypper: 'zypper install -y',
};

/** Which package has a program; a string where all distributions agree. */
const PACKAGES: Record<string, string | Record<Manager, string>> = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: { 'apt-get': 'util-linux', dnf: 'util-linux', apk: 'setpriv', pacman: 'util-linux', zypper: 'util-linux' },
  mount: { 'apt-get': 'mount', dnf: 'util-linux', apk: 'mount', pacman: 'util-linux', zypper: 'util-linux' },
  umount: { 'apt-get': 'mount', dnf: 'util-linux', apk: 'umount', pacman: 'util-linux', zypper: 'util-linux' },
  pivot_root: 'util-linux',
  script: {
    'apt-get': 'bsdutils',
    dnf: 'util-linux-script',
    apk: 'util-linux-misc',
    pacman: 'util-linux',
    zypper: 'util-linux',
  },
  ip: { 'apt-get': 'iproute2', dnf: 'iproute', apk: 'iproute2', pacman: 'iproute2', zypper: 'iproute2' },
  nft: 'nftables',
  hostname: { 'apt-get': 'hostname', dnf: 'hostname', apk: 'busybox', pacman: 'inetutils', zypper: 'hostname' },
  newuidmap: { 'apt-get': 'uidmap', dnf: 'shadow-utils', apk: 'shadow-uidmap', pacman: 'shadow', zypper: 'shadow' },
};

/** The line that installs some programs on this machine, ready to paste. */
export function installLine(tools: string[]): string {
  const manager = (Object.keys(COMMANDS) as Manager[]).find((name) => findTool(name)) ?? 'apt-get';
  const packages = new Set(
    tools.map((tool) => {
      const entry = PACKAGES[tool] ?? tool;
      return typeof entry === 'string' ? entry : entry[manager];
    }),
  );
  const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
  return `${sudo}${COMMANDS[manager]} ${[...packages].join(' ')}`;
}
