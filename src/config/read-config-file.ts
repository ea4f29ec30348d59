import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { load as parseYaml } from 'js-yaml';
import JSON5 from 'json5';
import { MirrordError } from '../errors';

/**
 * Reads and parses a configuration file: JSON (with comments and trailing commas) or YAML, by its extension.
 *
 * @throws MirrordError CONFIG_UNREADABLE, CONFIG_SYNTAX, CONFIG_TEMPLATE_UNSUPPORTED
 */
export function readConfigFile(path: string): unknown {
  const text = readText(path);
  const template = /\{\{|\{%/.exec(text);
  if (template) {
    const line = text.slice(0, template.index).split('\n').length;
    throw new MirrordError(
      'CONFIG_TEMPLATE_UNSUPPORTED',
      `${path}:${line} uses a template (${template[0]}), which this version does not fill in.`,
      { hint: 'Write the value itself, or give it by an environment variable such as MIRRORD_TARGET.' },
    );
  }
  switch (extname(path).toLowerCase()) {
    case '.yaml':
    case '.yml':
      return parse(path, () => parseYaml(text, { filename: path }));
    case '.json':
    case '.json5':
    case '.jsonc':
    case '':
      return parse(path, () => parseJson(text));
    default:
      throw new MirrordError(
        'CONFIG_UNREADABLE',
        `${path} has an extension that is not read here; it must be one of .json, .json5, .jsonc, .yaml, .yml.`,
        { hint: 'Convert the file to JSON or YAML.', details: { path } },
      );
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (cause) {
    throw new MirrordError('CONFIG_UNREADABLE', `Cannot read ${path}: ${(cause as Error).message}`, {
      hint: 'Check the permissions of the file.',
      cause,
      details: { path },
    });
  }
}

/** Nearly every file is plain JSON, and the engine's own parser is much the faster. */
function parseJson(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    return JSON5.parse(text);
  }
}

function parse(path: string, parser: () => unknown): unknown {
  try {
    return parser() ?? {};
  } catch (cause) {
    const { line, column, reason } = locate(cause);
    throw new MirrordError('CONFIG_SYNTAX', `${path}:${line}:${column} cannot be parsed: ${reason}.`, {
      hint: 'Correct the file at that line and column.',
      details: { path, line, column },
    });
  }
}

/** js-yaml marks lines and columns from 0, json5 numbers them from 1. */
function locate(error: unknown): { line: number; column: number; reason: string } {
  const { mark, reason, lineNumber, columnNumber, message } = error as {
    mark?: { line: number; column: number };
    reason?: string;
    lineNumber?: number;
    columnNumber?: number;
    message: string;
  };
  if (mark) return { line: mark.line + 1, column: mark.column + 1, reason: reason ?? message };
  return { line: lineNumber ?? 1, column: columnNumber ?? 1, reason: message.replace(/^JSON5: | at \d+:\d+$/g, '') };
}
