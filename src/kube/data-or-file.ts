import { readFileSync } from 'node:fs';
import { MirrordError } from '../errors';
import type { Entry } from './kubeconfig';

/**
 * A field's inline form (`…-data`, base64) or the content of the file it names.
 *
 * @throws MirrordError KUBECONFIG_INVALID
 */
export function dataOrFile(entry: Entry, field: string): Buffer | undefined {
  const data = entry[`${field}-data`];
  if (data) return Buffer.from(String(data), 'base64');
  return entry[field] ? readNamedFile(entry[field], field) : undefined;
}

/** @throws MirrordError KUBECONFIG_INVALID, with the field that names the file */
export function readNamedFile(path: string, field: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new MirrordError(
      'KUBECONFIG_INVALID',
      `The kubeconfig's "${field}" cannot be read: ${(cause as Error).message}.`,
      { hint: 'Correct the path in the kubeconfig; relative paths are taken from its folder.', cause },
    );
  }
}
