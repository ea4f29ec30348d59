import { StatusError } from '../status-error';

/** How the answer is to be shaped and written. */
export interface Representation {
  as: 'object' | 'table' | 'partial';
  format: 'json' | 'yaml';
  /** Whether rows of a table carry the metadata, the whole object or nothing. */
  includeObject?: 'None' | 'Metadata' | 'Object';
}

const AVAILABLE = [
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  'application/json;stream=watch',
  'application/vnd.kubernetes.protobuf;stream=watch',
];

const PARTIAL = new Set(['PartialObjectMetadata', 'PartialObjectMetadataList']);

/**
 * Picks the first clause of an Accept header that can be served. Protobuf never can, so its clauses are passed over, and a
 * client that accepts nothing else gets 406.
 */
export function negotiate(accept: string | undefined): Representation {
  if (!accept) return { as: 'object', format: 'json' };
  for (const clause of accept.split(',')) {
    const [type, ...parameters] = clause.split(';').map((part) => part.trim());
    const options = new Map(parameters.map((parameter) => parameter.split('=') as [string, string]));
    const format = type === 'application/yaml' ? 'yaml' : 'json';
    if (!['application/json', 'application/yaml', 'application/*', '*/*'].includes(type!)) continue;
    const as = options.get('as');
    if (as === undefined) return { as: 'object', format };
    if (options.get('g') !== 'meta.k8s.io' || options.get('v') !== 'v1') continue;
    if (as === 'Table') return { as: 'table', format };
    if (PARTIAL.has(as)) return { as: 'partial', format };
  }
  const message = `406: Not Acceptable\n\nAvailable representations: ${AVAILABLE.join(', ')}`;
  throw new StatusError(406, 'NotAcceptable', message, {});
}
