// npm run build:agent-image -- [--output FILE] [--name REFERENCE] [--arch arm64] [--merge ARCHIVE]…
// Makes the agent's image as an OCI archive from the Node and the tools of this machine: without Docker and without a network.
// For another architecture than this machine's they are fetched: by apt and npm, so on Debian and its kin.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { collectPrograms, findProgram, resolveIn } from './collect-programs.mjs';
import { MACHINES, readElf } from './elf.mjs';
import { makeForeignRoot } from './foreign-root.mjs';
import { writeArchive } from './oci-archive.mjs';
import { writeTar } from './tar.mjs';

const folder = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(`${folder}package.json`, 'utf8'));
const NODE = '/usr/local/bin/node';
const AGENT = '/opt/mirrord/agent.cjs';
/** Without nsenter no target can be entered; the others are for traffic rules, sh and cat for those of iptables. */
const TOOLS = {
  nsenter: 'util-linux',
  nft: 'nftables',
  ss: 'iproute2',
  sh: 'dash',
  cat: 'coreutils',
  iptables: 'iptables',
  'iptables-restore': 'iptables',
  ip6tables: 'iptables',
  'ip6tables-restore': 'iptables',
};
/** Debian's name of the same where nobody has chosen between it and the older one. */
const otherName = (tool) => tool.replace(/^(ip6?tables)/, '$1-nft');

const { values } = parseArgs({
  options: {
    output: { type: 'string', default: `${folder}dist/agent-image.tar` },
    name: { type: 'string', default: `ghcr.io/mirrord-node/agent:${version}` },
    arch: { type: 'string', default: process.arch },
    merge: { type: 'string', multiple: true, default: [] },
  },
});

if (process.platform !== 'linux')
  fail('An image is made of Linux programs: run this on Linux, or use agent-image/Dockerfile.');
if (!existsSync(`${folder}dist/agent.cjs`)) fail('dist/agent.cjs is missing: npm run build');
if (!/^[\w.:/-]+:[\w.-]+$/.test(values.name)) fail(`--name must be a reference with a tag, got "${values.name}"`);
if (!['x64', 'amd64', 'arm64'].includes(values.arch)) fail(`--arch must be amd64 or arm64, got "${values.arch}"`);

const architecture = values.arch === 'x64' ? 'amd64' : values.arch;
const isForeign = architecture !== (process.arch === 'x64' ? 'amd64' : process.arch);
const { root, node } = isForeign ? fetchForeign() : { root: '/', node: process.execPath };

const programs = { [NODE]: node };
for (const [tool, name] of Object.entries(TOOLS)) {
  const found = findProgram(root, tool, otherName(tool));
  // Programs ask for the shell by its path.
  const path = found && (tool === 'sh' ? '/bin/sh' : `${dirname(found)}/${tool}`);
  if (found) programs[path] = resolveIn(root, found);
  else if (tool === 'nsenter') fail(`nsenter is missing: install ${name}`);
  else console.error(`left out: ${tool} (install ${name} to have it in the image)`);
}
const files = collectPrograms(programs, root);
for (const [path, { content }] of files) {
  const { machine } = readElf(content) ?? {};
  if (machine !== undefined && machine !== MACHINES[architecture])
    fail(`${path} is not a program for ${architecture}: its ELF header names machine ${machine}`);
}
const text = (content, mode = 0o644) => ({ mode, content: Buffer.from(content) });
files.set('/etc/passwd', text('root:x:0:0:root:/:/bin/false\n'));
files.set('/etc/group', text('root:x:0:\n'));
files.set('/etc/nsswitch.conf', text('hosts: files dns\n'));
// Names the libraries in folders that the loader does not search by itself.
if (!isForeign && existsSync('/etc/ld.so.cache'))
  files.set('/etc/ld.so.cache', { mode: 0o644, content: readFileSync('/etc/ld.so.cache') });

const archive = writeArchive({
  name: values.name,
  architecture,
  // The agent has a layer of its own: a new version of it is a few hundred kilobytes to pull.
  layers: [
    layerOf(files, ['/proc', '/sys', '/dev', '/tmp', '/run', '/usr/sbin', '/usr/bin']),
    layerOf(new Map([[AGENT, { mode: 0o644, content: readFileSync(`${folder}dist/agent.cjs`) }]]), []),
  ],
  config: {
    // The same as the Dockerfile's: clusters allow workloads by it.
    Entrypoint: ['node', AGENT],
    Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    WorkingDir: '/',
    Labels: { 'org.opencontainers.image.title': 'mirrord-node agent', 'org.opencontainers.image.version': version },
  },
  others: values.merge.map((path) => readFileSync(path)),
});
writeFileSync(values.output, archive);
console.log(`${values.output}: ${values.name}, ${(archive.length / 1e6).toFixed(1)} MB
  ctr -n k8s.io images import ${values.output}
  docker load -i ${values.output}
  kind load image-archive ${values.output}`);

function layerOf(files, folders) {
  const all = new Set(folders);
  for (const path of files.keys()) for (let at = dirname(path); at !== '/'; at = dirname(at)) all.add(at);
  const entries = [
    ...[...all].map((path) => ({ path: path.slice(1), type: 'folder', mode: path === '/tmp' ? 0o1777 : 0o755 })),
    ...[...files].map(([path, file]) => ({ path: path.slice(1), ...file })),
  ];
  return writeTar(entries.sort((a, b) => (a.path < b.path ? -1 : 1)));
}

function fetchForeign() {
  try {
    return makeForeignRoot(architecture, `${folder}dist/root-${architecture}`);
  } catch (error) {
    return fail(error.message);
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
