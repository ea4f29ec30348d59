// npm run build:agent-image -- [--output FILE] [--name REFERENCE] [--merge ARCHIVE]…
// Makes the agent's image as an OCI archive from the Node and the tools of this machine: without Docker and without a network.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { collectPrograms, findProgram } from './collect-programs.mjs';
import { writeArchive } from './oci-archive.mjs';
import { writeTar } from './tar.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const NODE = '/usr/local/bin/node';
const AGENT = '/opt/mirrord/agent.cjs';
/** Without nsenter no target can be entered; the others are for traffic rules. */
const TOOLS = {
  nsenter: 'util-linux',
  nft: 'nftables',
  ss: 'iproute2',
  iptables: 'iptables',
  'iptables-save': 'iptables',
};

const { values } = parseArgs({
  options: {
    output: { type: 'string', default: `${root}dist/agent-image.tar` },
    name: { type: 'string', default: `ghcr.io/mirrord-node/agent:${version}` },
    merge: { type: 'string', multiple: true, default: [] },
  },
});

if (process.platform !== 'linux')
  fail('An image is made of Linux programs: run this on Linux, or use agent-image/Dockerfile.');
if (!existsSync(`${root}dist/agent.cjs`)) fail('dist/agent.cjs is missing: npm run build');
if (!/^[\w.:/-]+:[\w.-]+$/.test(values.name)) fail(`--name must be a reference with a tag, got "${values.name}"`);

const programs = { [NODE]: process.execPath };
for (const [tool, name] of Object.entries(TOOLS)) {
  const found = findProgram(tool);
  if (found) programs[found] = found;
  else if (tool === 'nsenter') fail(`nsenter is missing: install ${name}`);
  else console.error(`left out: ${tool} (install ${name} to have it in the image)`);
}
const files = collectPrograms(programs);
const text = (content, mode = 0o644) => ({ mode, content: Buffer.from(content) });
files.set('/etc/passwd', text('root:x:0:0:root:/:/bin/false\n'));
files.set('/etc/group', text('root:x:0:\n'));
files.set('/etc/nsswitch.conf', text('hosts: files dns\n'));
// Names the libraries in folders that the loader does not search by itself.
if (existsSync('/etc/ld.so.cache'))
  files.set('/etc/ld.so.cache', { mode: 0o644, content: readFileSync('/etc/ld.so.cache') });

const archive = writeArchive({
  name: values.name,
  architecture: { x64: 'amd64' }[process.arch] ?? process.arch,
  // The agent has a layer of its own: a new version of it is a few hundred kilobytes to pull.
  layers: [
    layerOf(files, ['/proc', '/sys', '/dev', '/tmp', '/run', '/usr/sbin', '/usr/bin']),
    layerOf(new Map([[AGENT, { mode: 0o644, content: readFileSync(`${root}dist/agent.cjs`) }]]), []),
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

function fail(message) {
  console.error(message);
  process.exit(1);
}
