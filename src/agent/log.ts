/** Lowest to highest detail. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Facts for a line: numbers and names. Never values of variables, file contents or the token. */
export type LogFields = Record<string, string | number | boolean | undefined>;

export interface Log {
  error(text: string, fields?: LogFields): void;
  warn(text: string, fields?: LogFields): void;
  info(text: string, fields?: LogFields): void;
  debug(text: string, fields?: LogFields): void;
}

export interface LogOptions {
  level: LogLevel;
  json: boolean;
  /** Which process speaks: supervisor or worker. */
  part: string;
  write?: (line: string) => void;
}

/** Writes one line per event to stderr: stdout is kept for the one line that says the agent is ready. */
export function createLog({ level, json, part, write = (line) => process.stderr.write(line) }: LogOptions): Log {
  const shown = LOG_LEVELS.indexOf(level);
  const at =
    (lineLevel: LogLevel) =>
    (text: string, fields: LogFields = {}) => {
      if (LOG_LEVELS.indexOf(lineLevel) > shown) return;
      const time = new Date().toISOString();
      if (json) return write(`${JSON.stringify({ time, level: lineLevel, part, message: text, ...fields })}\n`);
      const known = Object.entries(fields).filter(([, value]) => value !== undefined);
      const details = known.map(([name, value]) => ` ${name}=${value}`);
      write(`${time} ${lineLevel} ${part}: ${oneLine(text + details.join(''))}\n`);
    };
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
}

/** A client's name or path must not be able to forge a line of its own. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced here.
  return text.replace(/[\u0000-\u001f\u007f]/g, ' ');
}
