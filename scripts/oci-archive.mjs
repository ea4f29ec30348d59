// OCI image layouts in one tar: what `ctr images import`, `docker load` and `kind load image-archive` read.
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { readTar, writeTar } from './tar.mjs';

const TYPES = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};

const digestOf = (bytes) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const pathOf = (digest) => `blobs/${digest.replace(':', '/')}`;

/**
 * @param {{name: string, architecture: string, layers: Buffer[], config: object, others?: Buffer[]}} image
 *   name: full reference with a tag; layers: plain tars, lowest first; others: archives of the same image for other
 *   architectures, which become one index with this one
 * @returns {Buffer}
 */
export function writeArchive({ name, architecture, layers, config, others = [] }) {
  const blobs = new Map();
  const add = (mediaType, bytes) => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const addJson = (mediaType, value) => add(mediaType, Buffer.from(JSON.stringify(value)));

  const layerDescriptors = layers.map((layer) => add(TYPES.layer, gzipSync(layer)));
  const configDescriptor = addJson(TYPES.config, {
    architecture,
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: layers.map(digestOf) },
    history: layers.map(() => ({ created_by: 'npm run build:agent-image' })),
  });
  const manifest = { schemaVersion: 2, mediaType: TYPES.manifest, config: configDescriptor, layers: layerDescriptors };
  const own = { ...addJson(TYPES.manifest, manifest), platform: { architecture, os: 'linux' } };
  const all = [own, ...others.flatMap((archive) => takeManifests(archive, blobs))];
  const top =
    all.length === 1 ? own : addJson(TYPES.index, { schemaVersion: 2, mediaType: TYPES.index, manifests: all });

  const annotations = {
    'io.containerd.image.name': name,
    'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
  };
  const index = { schemaVersion: 2, mediaType: TYPES.index, manifests: [{ ...top, annotations }] };
  // Docker before version 25 reads this file and none of the others.
  const docker = [
    {
      Config: pathOf(configDescriptor.digest),
      RepoTags: [name],
      Layers: layerDescriptors.map(({ digest }) => pathOf(digest)),
    },
  ];
  const json = (path, value) => ({ path, content: Buffer.from(JSON.stringify(value)) });
  return writeTar([
    json('oci-layout', { imageLayoutVersion: '1.0.0' }),
    json('index.json', index),
    json('manifest.json', docker),
    { path: 'blobs', type: 'folder' },
    { path: 'blobs/sha256', type: 'folder' },
    ...[...blobs].map(([digest, content]) => ({ path: pathOf(digest), content })),
  ]);
}

/** The manifests of another archive, with their blobs; each descriptor must have a platform. */
function takeManifests(archive, blobs) {
  const files = readTar(archive);
  const parse = (path) => JSON.parse(files.get(path).toString('utf8'));
  for (const [path, content] of files)
    if (path.startsWith('blobs/sha256/')) blobs.set(`sha256:${path.slice(13)}`, content);
  return parse('index.json').manifests.flatMap((descriptor) => {
    const { annotations: _, ...plain } = descriptor;
    return descriptor.mediaType === TYPES.index ? parse(pathOf(descriptor.digest)).manifests : [plain];
  });
}
