import type { IncomingMessage } from 'node:http';
import { load } from 'js-yaml';
import { badRequest } from '../status';
import { StatusError } from '../status-error';

// The limit of a real API server.
const MAX_BYTES = 3 * 1024 * 1024;

const UNKNOWN_FORMAT =
  'the body of the request was in an unknown format - accepted media types include: ' +
  'application/json, application/yaml, application/vnd.kubernetes.protobuf';

export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BYTES) {
      throw new StatusError(413, 'RequestEntityTooLarge', `limit is ${MAX_BYTES}`, {});
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function mediaType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? 'application/json').split(';')[0]!.trim().toLowerCase();
}

/**
 * The object in a body.
 *
 * @param expectedKind named in the message about a body that is no object.
 * @throws StatusError 415 for a format that is not read here (protobuf too), 400 for what cannot be parsed.
 */
export function parseObject(body: Buffer, type: string, expectedKind: string): Record<string, any> {
  if (type === 'application/vnd.kubernetes.protobuf') {
    const message = `${UNKNOWN_FORMAT}; the playground reads no protobuf here: send JSON or YAML (kubectl apply -f does)`;
    throw new StatusError(415, 'UnsupportedMediaType', message);
  }
  if (type !== 'application/json' && type !== 'application/yaml') {
    throw new StatusError(415, 'UnsupportedMediaType', UNKNOWN_FORMAT);
  }
  const text = body.toString('utf8');
  let value: unknown;
  try {
    value = type === 'application/yaml' ? load(text) : JSON.parse(text);
  } catch (error) {
    throw unrecognized(text, expectedKind, describeParseError(error as Error));
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw unrecognized(text, expectedKind, 'json: cannot unmarshal into an object');
  }
  return value as Record<string, any>;
}

function unrecognized(text: string, kind: string, why: string): StatusError {
  const start = text.length > 30 ? `${text.slice(0, 30)} ...` : text;
  return badRequest(
    `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error: ${why} (${start})`,
  );
}

/** A truncated body reads as the real server puts it; for other errors this parser's own words are as good. */
function describeParseError(error: Error): string {
  const truncated = /end of JSON input|Expected (double-quoted )?property name|Unterminated string/.test(error.message);
  return truncated ? 'unexpected end of JSON input' : error.message;
}
