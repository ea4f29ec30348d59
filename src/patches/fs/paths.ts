import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FileAccess, FileIntent } from '../../runtime/verdict';

/** A path whose file is the pod's. */
export interface PodPath {
  kind: 'pod';
  /** As the app wrote it, for error messages and the results that repeat it. */
  given: string;
  /** Absolute, `.` and `..` resolved by text only: what the rules saw, and what Node's own JavaScript would walk. */
  normal: string;
  /** What the agent is asked for. Keeps a trailing slash and `..` after a link, which mean something to a kernel. */
  ask: string;
}

export interface RefusedPath {
  kind: 'refused';
  given: string;
  error: NodeJS.ErrnoException;
}

/** The file stays with the client, under another name. */
export interface MappedPath {
  kind: 'mapped';
  path: string;
}

export type Route = PodPath | RefusedPath | MappedPath;

const SLASH = 47;

/** Text of a path argument; undefined for what Node has to refuse, or to read as a descriptor. */
export function pathText(value: unknown): string | undefined {
  let text: string;
  if (typeof value === 'string') text = value;
  else if (value instanceof Uint8Array) text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString();
  else if (value !== null && typeof value === 'object' && typeof (value as URL).href === 'string') {
    try {
      text = fileURLToPath(value as URL);
    } catch {
      return undefined;
    }
  } else return undefined;
  return text.includes('\0') ? undefined : text;
}

/**
 * Absolute form, or undefined when the path can only be the client's: it is relative and stays inside the working
 * directory, or it is a Windows path. A relative path that climbs out of the working directory is judged by where it
 * leads.
 */
function toAbsolute(text: string): string | undefined {
  if (text.charCodeAt(0) === SLASH) return text;
  // Nearly every relative path ends here, with one scan and nothing allocated.
  if (!text.includes('..')) return undefined;
  const cwd = process.cwd();
  if (cwd.charCodeAt(0) !== SLASH) return undefined;
  const inside = cwd === '/' ? '/' : `${cwd}/`;
  // Resolved here: the pod may have no folder of that name to climb out of.
  const normal = posix.normalize(`${inside}${text}`);
  return dropTrailingSlash(normal) === cwd || normal.startsWith(inside) ? undefined : normal;
}

function dropTrailingSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** Where a call with this path argument goes; undefined = Node's own function, with the arguments as they are. */
export function routePath(files: FileAccess, text: string, intent: FileIntent): Route | undefined {
  const absolute = toAbsolute(text);
  if (absolute === undefined) return undefined;
  const normal = dropTrailingSlash(posix.normalize(absolute));
  const verdict = files.decide(normal, intent);
  if (verdict.kind === 'refuse') return { kind: 'refused', given: text, error: verdict.error };
  const mapped = files.remotePath(normal);
  if (verdict.kind === 'bypass') return mapped === normal ? undefined : { kind: 'mapped', path: mapped };
  const ask = mapped === normal ? absolute : `${mapped}${absolute.endsWith('/') ? '/' : ''}`;
  return { kind: 'pod', given: text, normal, ask };
}
