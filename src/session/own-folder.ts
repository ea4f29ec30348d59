import { dirname, isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the bundle this code is in, whichever module format it has. Where a program is given by -e there is a global `__dirname`, ".". */
export function ownFolder(): string {
  return typeof __dirname === 'string' && isAbsolute(__dirname) ? __dirname : dirname(fileURLToPath(import.meta.url));
}
