import { parsePatch } from '../patch/apply-patch';
import { formatSelector } from '../selectors';
import { notFound } from '../status';
import type { KubeObject } from '../types';
import { mediaType, parseObject, readBody } from './body';
import type { ResourceCall } from './context';
import { sendJson } from './respond';
import { writeObject } from './update';

/** The scale subresource: GET shows it, PUT and PATCH set the number of replicas. */
export async function handleScale(call: ResourceCall): Promise<void> {
  const { context, request, response, info, resource } = call;
  const current = context.store.get(resource.plural, info.namespace, info.name!);
  if (!current) throw notFound(resource, info.name!);
  if (request.method === 'GET') {
    sendJson(response, scaleOf(current));
    return;
  }
  const body = await readBody(request);
  const change =
    request.method === 'PATCH'
      ? parsePatch(mediaType(request), body).patch
      : () => parseObject(body, mediaType(request), 'Scale') as KubeObject;
  const updated = writeObject({ ...call, info: { ...info, subresource: undefined } }, (object) => {
    const scale = change(scaleOf(object));
    object.spec.replicas = scale.spec?.replicas ?? 0;
    return object;
  });
  sendJson(response, scaleOf(updated));
}

function scaleOf({ metadata, spec, status }: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: spec?.replicas ?? 0 },
    status: { replicas: status?.replicas ?? 0, selector: formatSelector(spec?.selector) },
  };
}
