import { chmodSync, chownSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { STATE_FOLDER } from './addresses';
import { writePayload } from './payload-folder';
import { dependsOn, MountError, readVolumeFiles, type SourceContext } from './volume-sources';

/** Folders of the node in which a hostPath volume may be written to: all else is the developer's own machine. */
const WRITABLE_HOST_PATHS = ['/run', '/proc', '/sys', '/dev'];

export interface Volume {
  name: string;
  /** Where its files are, on the node. */
  source: string;
  readOnly: boolean;
}

const isPayload = (volume: any) => volume.configMap || volume.secret || volume.downwardAPI || volume.projected;

/** The volumes of one pod, on the node's tmpfs. */
export class PodVolumes {
  readonly #context: SourceContext;
  readonly #folder: string;
  #volumes = new Map<string, Volume>();

  constructor(context: SourceContext, podFolder: string) {
    this.#context = context;
    this.#folder = join(podFolder, 'volumes');
  }

  /** Makes all of them. Safe to repeat after a failure. @throws MountError */
  prepare(): void {
    for (const volume of this.#context.pod.spec.volumes ?? []) {
      if (!this.#volumes.has(volume.name)) this.#volumes.set(volume.name, this.#make(volume));
    }
  }

  get(name: string): Volume | undefined {
    return this.#volumes.get(name);
  }

  /** Writes again what depends on an object that changed; a reference that no longer resolves leaves the files as they are. */
  refresh(context: SourceContext, resource: string, name: string): void {
    for (const volume of context.pod.spec.volumes ?? []) {
      if (!isPayload(volume) || !this.#volumes.has(volume.name) || !dependsOn(volume, resource, name)) continue;
      try {
        writePayload(join(this.#folder, volume.name), readVolumeFiles(context, volume));
      } catch (error) {
        if (!(error instanceof MountError)) throw error;
      }
    }
  }

  #make(volume: any): Volume {
    const { name } = volume;
    const folder = join(this.#folder, name);
    if (isPayload(volume)) {
      writePayload(folder, readVolumeFiles(this.#context, volume));
      return { name, source: folder, readOnly: true };
    }
    if (volume.hostPath) return hostPath(name, volume.hostPath);
    if (volume.persistentVolumeClaim)
      return this.#writable(name, this.#claimFolder(volume.persistentVolumeClaim.claimName));
    if (volume.emptyDir || Object.keys(volume).length === 1) return this.#writable(name, folder);
    const kind = Object.keys(volume).find((key) => key !== 'name');
    throw new MountError(`volume type "${kind}" is not supported by the playground`);
  }

  #claimFolder(claim: string): string {
    return join(STATE_FOLDER, 'claims', this.#context.pod.metadata.namespace ?? 'default', claim);
  }

  #writable(name: string, source: string): Volume {
    mkdirSync(source, { recursive: true });
    chmodSync(source, 0o777);
    const group = this.#context.pod.spec.securityContext?.fsGroup;
    if (group !== undefined) {
      try {
        chownSync(source, 0, group);
        chmodSync(source, 0o2777);
      } catch {
        // Rootless without mapped ids: everybody may write there anyway.
      }
    }
    return { name, source, readOnly: false };
  }
}

function hostPath(name: string, { path, type = '' }: { path: string; type?: string }): Volume {
  const writable = WRITABLE_HOST_PATHS.some((one) => path === one || path.startsWith(`${one}/`));
  if (!existsSync(path) && writable && type === 'DirectoryOrCreate') mkdirSync(path, { recursive: true });
  if (!existsSync(path) && writable && type === 'FileOrCreate') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '');
  }
  const status = statSync(path, { throwIfNoEntry: false });
  const wanted = type.replace('OrCreate', '');
  const fits =
    status &&
    (wanted === '' ||
      (wanted === 'Directory' && status.isDirectory()) ||
      (wanted === 'File' && status.isFile()) ||
      (wanted === 'Socket' && status.isSocket()) ||
      (wanted === 'CharDevice' && status.isCharacterDevice()) ||
      (wanted === 'BlockDevice' && status.isBlockDevice()));
  if (!fits)
    throw new MountError(`hostPath type check failed: ${path} is not a ${wanted.toLowerCase() || 'path of the node'}`);
  return { name, source: path, readOnly: !writable };
}
