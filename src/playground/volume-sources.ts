import { configMapValue, secretValue } from './environment';
import { type Capacity, resolveFieldRef, resolveResourceFieldRef } from './field-ref';
import type { PayloadFile } from './payload-folder';
import type { KubeObject, Store } from './types';

/** A volume cannot be made yet; the message is the kubelet's, for the FailedMount event. */
export class MountError extends Error {}

export interface SourceContext {
  store: Store;
  pod: KubeObject;
  capacity: Capacity;
  /** The bearer token that a pod's service account gets. */
  serviceAccountToken: string;
}

type Files = Map<string, PayloadFile>;

/** The files of a configMap, secret, downwardAPI or projected volume. @throws MountError */
export function readVolumeFiles(context: SourceContext, volume: any): Files {
  if (volume.configMap) return keyed(context, 'configmap', volume.configMap.name, volume.configMap);
  if (volume.secret) return keyed(context, 'secret', volume.secret.secretName, volume.secret);
  if (volume.downwardAPI) return downward(context, volume.downwardAPI, volume.downwardAPI.defaultMode);
  const files: Files = new Map();
  const mode = volume.projected.defaultMode;
  for (const source of volume.projected.sources ?? []) {
    let part: Files = new Map();
    if (source.configMap)
      part = keyed(context, 'configmap', source.configMap.name, { ...source.configMap, defaultMode: mode });
    else if (source.secret)
      part = keyed(context, 'secret', source.secret.name, { ...source.secret, defaultMode: mode });
    else if (source.downwardAPI) part = downward(context, source.downwardAPI, mode);
    else if (source.serviceAccountToken) {
      part.set(source.serviceAccountToken.path, {
        content: Buffer.from(context.serviceAccountToken),
        mode: mode ?? 0o644,
      });
    }
    for (const [path, file] of part) files.set(path, file);
  }
  return files;
}

/** Whether a change of this object can change the volume's files. */
export function dependsOn(volume: any, resource: string, name: string): boolean {
  const sources = volume.projected?.sources ?? [volume];
  return sources.some((source: any) =>
    resource === 'configmaps'
      ? source.configMap?.name === name
      : resource === 'secrets'
        ? source.secret?.secretName === name || source.secret?.name === name
        : source.downwardAPI !== undefined,
  );
}

function keyed(context: SourceContext, kind: 'secret' | 'configmap', name: string, source: any): Files {
  const namespace = context.pod.metadata.namespace ?? 'default';
  const files: Files = new Map();
  const object = context.store.get(`${kind}s`, namespace, name);
  if (!object) {
    if (source.optional) return files;
    throw new MountError(`${kind} "${name}" not found`);
  }
  const value = kind === 'secret' ? secretValue : configMapValue;
  const all = Object.keys({ ...object.data, ...object.binaryData, ...object.stringData });
  const items: any[] = source.items ?? all.map((key) => ({ key, path: key }));
  for (const item of items) {
    const content = value(object, item.key);
    if (content !== undefined) {
      files.set(safePath(item.path), { content, mode: item.mode ?? source.defaultMode ?? 0o644 });
    } else if (!source.optional) {
      throw new MountError(`references non-existent ${kind === 'secret' ? 'secret' : 'config'} key: ${item.key}`);
    }
  }
  return files;
}

function downward(context: SourceContext, source: any, defaultMode = 0o644): Files {
  const files: Files = new Map();
  for (const item of source.items ?? []) {
    const text = item.fieldRef
      ? resolveFieldRef(context.pod, item.fieldRef.fieldPath)
      : resolveResourceFieldRef(
          context.pod.spec.containers.find((one: any) => one.name === item.resourceFieldRef.containerName),
          item.resourceFieldRef,
          context.capacity,
        );
    files.set(safePath(item.path), { content: Buffer.from(text), mode: item.mode ?? defaultMode });
  }
  return files;
}

/** Paths come from a manifest: one that leaves the volume's folder is refused. */
function safePath(path: string): string {
  if (path.startsWith('/') || path.split('/').includes('..'))
    throw new MountError(`invalid path "${path}": must stay inside the volume`);
  return path;
}
