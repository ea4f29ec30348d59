import { thaw } from '../freeze';
import { apiVersionOf, type Resource } from '../resources';
import type { KubeObject } from '../types';
import type { Representation } from './negotiate';
import { tableOf } from './table';

const META = { apiVersion: 'meta.k8s.io/v1' };

/** One object in the form the client asked for. */
export function represent(resource: Resource, object: KubeObject, { as, includeObject }: Representation): unknown {
  if (as === 'table') {
    const { resourceVersion } = object.metadata;
    return tableOf(resource, [object], { resourceVersion }, { includeObject });
  }
  return as === 'partial' ? partial(object) : inVersion(resource, object);
}

/** A list in the form the client asked for. Items carry no kind and version of their own, as on a real server. */
export function representList(
  resource: Resource,
  objects: KubeObject[],
  metadata: Record<string, unknown>,
  { as, includeObject }: Representation,
): unknown {
  if (as === 'table') return tableOf(resource, objects, metadata, { includeObject });
  if (as === 'partial') return { kind: 'PartialObjectMetadataList', ...META, metadata, items: objects.map(partial) };
  const items = objects.map((object) => {
    const { apiVersion: _version, kind: _kind, ...rest } = inVersion(resource, object);
    return rest;
  });
  return { kind: `${resource.kind}List`, apiVersion: apiVersionOf(resource), metadata, items };
}

export function partial({ metadata }: KubeObject): Record<string, unknown> {
  return { kind: 'PartialObjectMetadata', ...META, metadata };
}

/** Events are stored in their core form; the newer group names the same fields otherwise. */
export function inVersion(resource: Resource, object: KubeObject): KubeObject {
  if (resource.group !== 'events.k8s.io' || object.apiVersion === 'events.k8s.io/v1') return object;
  const event = thaw(object);
  const { involvedObject, message, source, firstTimestamp, lastTimestamp, count, reportingComponent, ...rest } = event;
  return {
    ...rest,
    apiVersion: 'events.k8s.io/v1',
    reportingController: reportingComponent,
    regarding: involvedObject,
    note: message,
    deprecatedSource: source,
    deprecatedFirstTimestamp: firstTimestamp,
    deprecatedLastTimestamp: lastTimestamp,
    deprecatedCount: count,
  };
}
