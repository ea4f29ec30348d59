import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** The client's own agent image: any tag of it resolves to the agent that was built here. */
export const DEFAULT_AGENT_IMAGE = 'mirrord-node/agent';

/** A folder or file of the host that shows in a container, read-only, under `target`. */
export interface Bind {
  source: string;
  target: string;
}

export interface Image {
  name: string;
  imageId: string;
  binds: Bind[];
  /** Symbolic links made in the root: link path → what it says. */
  links: Record<string, string>;
  env: Record<string, string>;
  entrypoint: string[];
  cmd: string[];
  workingDir: string;
  /** Whether a port-forward will surely follow, so that its helper is worth starting early. */
  isAgent: boolean;
}

/** Why an image cannot be had, in the words a container runtime would use. */
export class ImagePullError extends Error {}

/** Top-level folders that are links into /usr on most distributions and folders of their own on others. */
const SYSTEM_ROOTS = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32', 'nix'];
/** What programs need of /etc; nothing in it is the developer's own. */
const ETC_PARTS = [
  'ssl',
  'pki',
  'ca-certificates',
  'alternatives',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'services',
  'protocols',
];

function hostSystem(): Pick<Image, 'binds' | 'links'> {
  const binds: Bind[] = [{ source: '/usr', target: '/usr' }];
  const links: Record<string, string> = {};
  for (const name of SYSTEM_ROOTS) {
    try {
      links[`/${name}`] = readlinkSync(`/${name}`);
    } catch {
      if (existsSync(`/${name}`)) binds.push({ source: `/${name}`, target: `/${name}` });
    }
  }
  for (const name of ETC_PARTS) {
    if (existsSync(`/etc/${name}`)) binds.push({ source: `/etc/${name}`, target: `/etc/${name}` });
  }
  return { binds, links };
}

/** A Node outside /usr (nvm, volta, a tarball) shows under /opt/node: its real place may be in somebody's home. */
function hostNode(execPath: string): Pick<Image, 'binds' | 'links'> & { folder: string } {
  if (execPath.startsWith('/usr/')) return { binds: [], links: {}, folder: dirname(execPath) };
  const binds: Bind[] = [{ source: execPath, target: '/opt/node/bin/node' }];
  const links: Record<string, string> = {};
  const modules = join(dirname(dirname(execPath)), 'lib/node_modules');
  if (existsSync(modules)) {
    binds.push({ source: modules, target: '/opt/node/lib/node_modules' });
    if (readdirSync(modules).includes('npm')) {
      for (const name of ['npm', 'npx']) links[`/opt/node/bin/${name}`] = `../lib/node_modules/npm/bin/${name}-cli.js`;
    }
  }
  return { binds, links, folder: '/opt/node/bin' };
}

export interface ImageOptions {
  /** The built agent; without it agent images cannot be pulled. */
  agentBundle: string;
  execPath?: string;
}

/** @throws ImagePullError for everything that is not one of the playground's own images. */
export function resolveImage(name: string, options: ImageOptions): Image {
  const isAgent =
    name === 'playground/agent:1' ||
    name === DEFAULT_AGENT_IMAGE ||
    (/^[:@]/.test(name.slice(DEFAULT_AGENT_IMAGE.length)) && name.startsWith(DEFAULT_AGENT_IMAGE));
  if (!isAgent && name !== 'playground/node:1') throw new ImagePullError(pullFailure(name));
  const execPath = options.execPath ?? process.execPath;
  const system = hostSystem();
  const node = hostNode(execPath);
  const path = [
    ...new Set([node.folder, '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']),
  ];
  const image: Image = {
    name,
    imageId: `sha256:${createHash('sha256').update(`${name} ${execPath}`).digest('hex')}`,
    binds: [...system.binds, ...node.binds],
    links: { ...system.links, ...node.links },
    env: { PATH: path.join(':') },
    entrypoint: [],
    cmd: [],
    workingDir: '/',
    isAgent,
  };
  if (!isAgent) return image;
  if (!statSync(options.agentBundle, { throwIfNoEntry: false })?.isFile()) {
    throw new ImagePullError(
      `${pullFailure(name)} (the agent is not built: ${basename(options.agentBundle)} is missing)`,
    );
  }
  image.binds.push({ source: options.agentBundle, target: '/opt/mirrord/agent.cjs' });
  image.entrypoint = [join(node.folder, 'node'), '/opt/mirrord/agent.cjs'];
  return image;
}

/** containerd's message for a registry whose name does not resolve: the playground reaches no registry at all. */
function pullFailure(name: string): string {
  const parts = name.split('/');
  const first = parts[0] ?? '';
  const hasHost = parts.length > 1 && (/[.:]/.test(first) || first === 'localhost');
  const host = hasHost ? first : 'registry-1.docker.io';
  const rest = hasHost ? parts.slice(1).join('/') : parts.length > 1 ? name : `library/${name}`;
  const [, repository = rest, tag = 'latest'] = /^(.*?)(?::([^:/]+))?$/.exec(rest) ?? [];
  const reference = `${host === 'registry-1.docker.io' ? 'docker.io' : host}/${repository}:${tag}`;
  return `failed to pull and unpack image "${reference}": failed to resolve image: failed to do request: Head "https://${host}/v2/${repository}/manifests/${tag}": dial tcp: lookup ${host}: no such host`;
}

/** Kubernetes' rule: `command` replaces the entrypoint and drops the image's cmd; `args` replaces cmd. */
export function commandOf(image: Image, container: { command?: string[]; args?: string[] }): string[] {
  if (container.command?.length) return [...container.command, ...(container.args ?? [])];
  return [...image.entrypoint, ...(container.args?.length ? container.args : image.cmd)];
}
