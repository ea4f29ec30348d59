import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the bundle this code is in, whichever module format it has. */
export function ownFolder(): string {
  return typeof __dirname === 'string' ? __dirname : dirname(fileURLToPath(import.meta.url));
}
