import { realFs } from './originals';

/** No file has the executable as its folder: a call with this path fails on every system. */
const MISSING = `${process.execPath}${process.platform === 'win32' ? '\\' : '/'}mirrord`;

const shapes = new Map<string, string[] | undefined>();

/** Own properties of the error this version's blocking function throws, in order. */
function shapeOf(method: string): string[] | undefined {
  if (!shapes.has(method)) {
    let keys: string[] | undefined;
    try {
      (realFs as unknown as Record<string, (path: string) => unknown>)[`${method}Sync`]?.(MISSING);
    } catch (error) {
      keys = Object.keys(error as object);
    }
    shapes.set(method, keys);
  }
  return shapes.get(method);
}

/**
 * Blocking functions build their errors in another order than the others in some versions, and `opendirSync` forgets
 * the path in Node 20 to 26. Asked from Node itself, so that it is right in versions to come.
 */
export function matchSyncShape(error: unknown, method: string): unknown {
  const { code, syscall, path, dest } = (error ?? {}) as NodeJS.ErrnoException & { dest?: string };
  if (!(error instanceof Error) || !code || !syscall || !path || dest) return error;
  const shape = shapeOf(method);
  const keys = Object.keys(error);
  if (!shape?.includes('syscall') || shape.join() === keys.join()) return error;
  const record = error as unknown as Record<string, unknown>;
  const values = new Map(keys.map((key) => [key, record[key]]));
  for (const key of keys) delete record[key];
  for (const key of shape) if (values.has(key)) record[key] = values.get(key);
  if (!shape.includes('path')) error.message = error.message.replace(` '${path}'`, '');
  return error;
}
