import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Image } from './images';
import { fstabField } from './shell-quote';

/** A file or folder of the node that is mounted into a container. */
export interface Mount {
  source: string;
  /** Absolute path in the container. */
  target: string;
  readOnly: boolean;
}

export interface RootOptions {
  /** The container's root on the node. */
  root: string;
  image: Image;
  mounts: Mount[];
  /** Shows the node's processes instead of the container's own. */
  hostPID: boolean;
  privileged: boolean;
  /** Where the application may leave a message for `state.terminated.message`. */
  terminationMessagePath: string;
}

const FOLDERS = [
  'dev/pts',
  'dev/shm',
  'etc',
  'home',
  'opt',
  'proc',
  'root',
  'run',
  'srv',
  'sys',
  'tmp',
  'var/log',
  'var/tmp',
  '.old',
];
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

const FILES: Record<string, string> = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
  'etc/group': 'root:x:0:\ntty:x:5:\nnode:x:1000:\nnogroup:x:65534:\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
  'etc/os-release': 'NAME="mirrord playground"\nID=playground\nPRETTY_NAME="mirrord playground node"\n',
};

/**
 * Lays out a container's root folder and returns the fstab that completes it, which one `mount -a` in the container's own mount
 * namespace applies: one program start instead of thirty.
 */
export function layOutRoot(options: RootOptions): string {
  const { root, image } = options;
  for (const folder of FOLDERS) mkdirSync(join(root, folder), { recursive: true });
  for (const folder of ['tmp', 'var/tmp']) chmodSync(join(root, folder), 0o1777);
  for (const [path, text] of Object.entries(FILES)) writeFileSync(join(root, path), text);
  const lines = new Fstab(root);
  lines.add(root, '', 'none', 'rbind');
  const wantsUsr = options.mounts.some((mount) => `${mount.target}/`.startsWith('/usr/'));
  for (const bind of image.binds) {
    if (bind.target === '/usr' && wantsUsr) addWritableUsr(lines, root);
    else {
      materialize(root, bind.target, bind.source);
      lines.add(bind.source, bind.target, 'none', 'rbind,ro');
    }
  }
  for (const [path, text] of Object.entries(image.links)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(text, join(root, path));
  }
  addKernelFilesystems(lines, options);
  const ordered = [...options.mounts].sort((a, b) => depth(a.target) - depth(b.target));
  for (const mount of ordered) {
    const over = ordered.findLast((other) => other !== mount && mount.target.startsWith(`${other.target}/`));
    if (over) materialize(over.source, mount.target.slice(over.target.length), mount.source);
    else
      materialize(
        mount.target.startsWith('/usr/') ? join(root, '../usr-upper') : root,
        mount.target.replace(/^\/usr(?=\/)/, wantsUsr ? '' : '/usr'),
        mount.source,
      );
    lines.add(mount.source, mount.target, 'none', mount.readOnly ? 'rbind,ro' : 'rbind');
  }
  const message = join(root, options.terminationMessagePath);
  mkdirSync(dirname(message), { recursive: true });
  writeFileSync(message, '');
  chmodSync(message, 0o666);
  return lines.text;
}

const depth = (path: string) => path.split('/').length;

class Fstab {
  readonly #root: string;
  text = '';

  constructor(root: string) {
    this.#root = root;
  }

  add(source: string, target: string, type: string, options: string): void {
    this.text += `${fstabField(source)} ${fstabField(join(this.#root, target))} ${type} ${options} 0 0\n`;
  }
}

/** A volume below /usr needs a mount point that the host's folder may not have: an overlay provides it without touching the host. */
function addWritableUsr(lines: Fstab, root: string): void {
  const upper = join(root, '../usr-upper');
  const work = join(root, '../usr-work');
  for (const folder of [join(root, 'usr'), upper, work]) mkdirSync(folder, { recursive: true });
  lines.add('overlay', '/usr', 'overlay', `lowerdir=/usr,upperdir=${upper},workdir=${work}`);
}

function addKernelFilesystems(lines: Fstab, { root, hostPID, privileged }: RootOptions): void {
  for (const device of DEVICES) {
    writeFileSync(join(root, 'dev', device), '');
    lines.add(`/dev/${device}`, `/dev/${device}`, 'none', 'bind');
  }
  if (privileged && existsSync('/dev/net/tun')) {
    materialize(root, '/dev/net/tun', '/dev/net/tun');
    lines.add('/dev/net/tun', '/dev/net/tun', 'none', 'bind');
  }
  lines.add('devpts', '/dev/pts', 'devpts', 'newinstance,ptmxmode=0666,mode=620');
  lines.add('shm', '/dev/shm', 'tmpfs', 'nosuid,nodev,noexec,mode=1777,size=64m');
  const links = {
    ptmx: 'pts/ptmx',
    fd: '/proc/self/fd',
    stdin: '/proc/self/fd/0',
    stdout: '/proc/self/fd/1',
    stderr: '/proc/self/fd/2',
  };
  for (const [name, text] of Object.entries(links)) symlinkSync(text, join(root, 'dev', name));
  if (hostPID) lines.add('/proc', '/proc', 'none', 'rbind');
  else lines.add('proc', '/proc', 'proc', 'nosuid,nodev,noexec');
  // As a runtime does: kernel settings can be read by everybody and written by privileged containers only.
  if (!privileged && !hostPID) lines.add(join(root, 'proc/sys'), '/proc/sys', 'none', 'bind,ro');
  lines.add('sysfs', '/sys', 'sysfs', privileged ? 'nosuid,nodev,noexec' : 'nosuid,nodev,noexec,ro');
}

/** Makes what a mount covers: a file for a file, a folder for a folder. */
function materialize(base: string, path: string, source: string): void {
  const target = join(base, path);
  if (existsSync(target)) return;
  if (statSync(source).isDirectory()) mkdirSync(target, { recursive: true });
  else {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, '');
  }
}
