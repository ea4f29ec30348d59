import type { Resource } from '../resources';
import type { KubeObject } from '../types';
import { age, type Column } from './columns/column';
import { COLUMNS } from './columns/columns';

const FALLBACK: Column[] = [
  { name: 'Name', format: 'name', cell: ({ metadata }) => metadata.name },
  { name: 'Age', cell: age },
];

interface Options {
  includeObject?: 'None' | 'Metadata' | 'Object';
}

/** A `Table` as kubectl prints it: the columns of a real server, one row per object. */
export function tableOf(
  { plural }: Resource,
  objects: KubeObject[],
  metadata: Record<string, unknown>,
  { includeObject = 'Metadata' }: Options = {},
): Record<string, unknown> {
  const columns = COLUMNS[plural] ?? FALLBACK;
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns.map(({ name, type = 'string', format = '', priority = 0 }) => ({
      name,
      type,
      format,
      description: name,
      priority,
    })),
    rows: objects.map((object) => ({
      cells: columns.map(({ cell }) => cell(object)),
      ...rowObject(object, includeObject),
    })),
  };
}

function rowObject(object: KubeObject, include: Options['includeObject']): Record<string, unknown> {
  if (include === 'None') return {};
  if (include === 'Object') return { object };
  return { object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata } };
}
