/**
 * Debug log. Silent unless asked for: `DEBUG=mirrord:*` (comma or space separated, `-mirrord:fs` leaves one out) writes to
 * stderr, `MIRRORD_LOG=/path` appends everything to a file. Callers never pass values of environment variables or contents
 * of files.
 */
import { openSync, writeSync } from './patches/originals';

const STDERR = 2;

export interface Log {
  (namespace: string, message: string): void;
  /** Whether a message of that namespace is written anywhere; ask before building an expensive one. */
  enabled(namespace: string): boolean;
}

/**
 * @param env read once, at the first message: the pod's variables, applied later, must not switch the log on.
 * @param write called with a whole line and the descriptor it belongs to; throws are swallowed.
 */
export function createLog(
  env: Record<string, string | undefined>,
  write: (descriptor: number, line: string) => unknown = writeSync,
): Log {
  let settings: { matches(namespace: string): boolean; file: number | undefined } | undefined;
  const read = () => {
    settings ??= { matches: compilePatterns(env.DEBUG ?? ''), file: openLogFile(env.MIRRORD_LOG) };
    return settings;
  };
  const log = (namespace: string, message: string) => {
    const { matches, file } = read();
    const toStderr = matches(namespace);
    if (!toStderr && file === undefined) return;
    const line = `${new Date().toISOString()} mirrord:${namespace} [${process.pid}] ${message}\n`;
    if (toStderr) attempt(() => write(STDERR, line));
    if (file !== undefined) attempt(() => write(file, line));
  };
  log.enabled = (namespace: string) => read().file !== undefined || read().matches(namespace);
  return log;
}

/** A log that cannot be written (closed stderr, full disk) must not reach the app. */
function attempt(action: () => void): void {
  try {
    action();
  } catch {}
}

function openLogFile(path: string | undefined): number | undefined {
  if (!path) return undefined;
  let descriptor: number | undefined;
  attempt(() => {
    descriptor = openSync(path, 'a', 0o600);
  });
  return descriptor;
}

/** The patterns of `DEBUG` as the `debug` package reads them: `*` is any text, a leading `-` excludes. */
function compilePatterns(patterns: string): (namespace: string) => boolean {
  const wanted: RegExp[] = [];
  const unwanted: RegExp[] = [];
  for (const pattern of patterns.split(/[\s,]+/).filter(Boolean)) {
    const excluded = pattern.startsWith('-');
    const source = (excluded ? pattern.slice(1) : pattern).replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*');
    (excluded ? unwanted : wanted).push(new RegExp(`^${source}$`));
  }
  return (namespace) => {
    const name = `mirrord:${namespace}`;
    return wanted.some((pattern) => pattern.test(name)) && !unwanted.some((pattern) => pattern.test(name));
  };
}

/** The log of this process. */
export const log: Log = createLog(process.env);
