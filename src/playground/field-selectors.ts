import { badRequest } from './status';
import type { KubeObject } from './types';

export type FieldSelector = (object: KubeObject) => boolean;

type Read = (object: KubeObject) => string;

const read =
  (...path: string[]): Read =>
  (object) => {
    let value: any = object;
    for (const key of path) value = value?.[key];
    return value === undefined || value === null ? '' : String(value);
  };

const COMMON: Record<string, Read> = {
  'metadata.name': read('metadata', 'name'),
  'metadata.namespace': read('metadata', 'namespace'),
};

const fields = (...paths: string[]): Record<string, Read> =>
  Object.fromEntries(paths.map((path) => [path, read(...path.split('.'))]));

const source: Read = (event) => event.source?.component || event.reportingComponent || '';

/** What each resource can be selected by, besides its name and namespace. */
const BY_RESOURCE: Record<string, Record<string, Read>> = {
  pods: {
    ...fields(
      'spec.nodeName',
      'spec.restartPolicy',
      'spec.schedulerName',
      'spec.serviceAccountName',
      'status.phase',
      'status.podIP',
      'status.nominatedNodeName',
    ),
    'spec.hostNetwork': (pod) => String(pod.spec?.hostNetwork ?? false),
  },
  events: {
    ...fields(
      'involvedObject.kind',
      'involvedObject.namespace',
      'involvedObject.name',
      'involvedObject.uid',
      'involvedObject.apiVersion',
      'involvedObject.resourceVersion',
      'involvedObject.fieldPath',
      'reason',
      'reportingComponent',
      'type',
    ),
    // The newer API group calls the same field "regarding".
    'regarding.kind': read('involvedObject', 'kind'),
    'regarding.name': read('involvedObject', 'name'),
    'regarding.namespace': read('involvedObject', 'namespace'),
    'regarding.uid': read('involvedObject', 'uid'),
    source,
  },
  namespaces: fields('status.phase'),
  nodes: { 'spec.unschedulable': (node) => String(node.spec?.unschedulable ?? false) },
  secrets: fields('type'),
  services: fields('spec.clusterIP', 'spec.type'),
  jobs: { 'status.successful': (job) => String(job.status?.succeeded ?? 0) },
  replicasets: { 'status.replicas': (set) => String(set.status?.replicas ?? 0) },
};

/**
 * Parses `a=b,c!=d`; a backslash escapes a comma, an equals sign or a backslash in a value.
 *
 * @throws StatusError 400 for a field this resource cannot be selected by, and for a term that is no comparison.
 */
export function parseFieldSelector(resource: string, text: string): FieldSelector {
  const known = { ...COMMON, ...BY_RESOURCE[resource] };
  const terms = splitUnescaped(text).map((term) => {
    const match = /^((?:[^=!\\]|\\.)*)(==|!=|=)(.*)$/s.exec(term);
    if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    const [, label, operator, value] = match;
    const getter = Object.hasOwn(known, label!) ? known[label!] : undefined;
    if (!getter) throw badRequest(`field label not supported: ${label}`);
    return { getter, wanted: value!.replace(/\\([\\,=])/g, '$1'), equal: operator !== '!=' };
  });
  return (object) => terms.every(({ getter, wanted, equal }) => (getter(object) === wanted) === equal);
}

function splitUnescaped(text: string): string[] {
  return (text.match(/(?:\\.|[^,\\])+/gs) ?? []).filter((term) => term !== '');
}
