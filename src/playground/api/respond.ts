import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { dump } from 'js-yaml';
import { statusBody } from '../status';
import { StatusError } from '../status-error';

/** Headers that every answer of an API server carries. */
export function commonHeaders(): Record<string, string> {
  return { 'Audit-Id': randomUUID(), 'Cache-Control': 'no-cache, private' };
}

export interface SendOptions {
  code?: number;
  contentType?: string;
  warnings?: string[];
  format?: 'json' | 'yaml';
}

export function sendJson(response: ServerResponse, body: unknown, options: SendOptions = {}): void {
  const isYaml = options.format === 'yaml';
  const bytes = Buffer.from(isYaml ? dump(body, { noRefs: true }) : JSON.stringify(body));
  response.writeHead(options.code ?? 200, {
    ...commonHeaders(),
    'Content-Type': options.contentType ?? (isYaml ? 'application/yaml' : 'application/json'),
    'Content-Length': bytes.length,
    ...warningHeaders(options.warnings),
  });
  response.end(bytes);
}

function warningHeaders(warnings: string[] = []): Record<string, string[]> {
  if (warnings.length === 0) return {};
  // 299 with an unknown agent: the form that kubectl and client-go look for.
  return { Warning: warnings.map((text) => `299 - ${JSON.stringify(text)}`) };
}

export function sendText(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, {
    ...commonHeaders(),
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** Answers with the Status of an error. After the headers have gone out, only the connection can tell. */
export function sendError(response: ServerResponse, error: unknown): void {
  const status = toStatusError(error);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (status.code === 504) response.setHeader('Retry-After', '1');
  if (status.code === 403) response.setHeader('X-Content-Type-Options', 'nosniff');
  sendJson(response, statusBody(status), { code: status.code });
}

export function toStatusError(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new StatusError(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] });
}
