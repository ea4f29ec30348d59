/** The bytes break the rules of HTTP/1: what follows cannot be told apart into messages. */
export class MalformedMessage extends Error {}

/** How the end of a body is found. `tunnel`: the connection is no longer HTTP. */
export type Framing = { kind: 'none' } | { kind: 'length'; length: number } | { kind: 'chunked' } | { kind: 'close' };

interface Head {
  /** Everything up to and with the empty line, as it was sent. */
  raw: Buffer;
  minor: number;
  headers: [name: string, value: string][];
  framing: Framing;
  /** The sender will not use the connection again. */
  close: boolean;
}

export interface RequestHead extends Head {
  method: string;
  target: string;
  /** Another protocol may follow: an upgrade was asked for, or a tunnel. */
  upgrade: boolean;
}

export interface ResponseHead extends Head {
  status: number;
}

export const MAX_HEAD = 128 * 1024;
const REQUEST = /^([\w!#$%&'*+.^`|~-]+) (\S+) HTTP\/1\.([01])$/;
const RESPONSE = /^HTTP\/1\.([01]) (\d{3})(?: .*)?$/;
const FIELD = /^([\w!#$%&'*+.^`|~-]+):[ \t]*(.*?)[ \t]*$/;

/** Bytes of the first head in there; 0 while its end has not arrived. Throws when it is longer than any server takes. */
export function findHead(bytes: Buffer): number {
  const end = bytes.indexOf('\r\n\r\n', leadingLines(bytes));
  if (end < 0 && bytes.length > MAX_HEAD) throw new MalformedMessage('the head is too long');
  return end < 0 ? 0 : end + 4;
}

/** Empty lines before a request are allowed, and some clients send them. */
function leadingLines(bytes: Buffer): number {
  let at = 0;
  while (bytes[at] === 13 && bytes[at + 1] === 10) at += 2;
  return at;
}

export function parseRequest(raw: Buffer): RequestHead {
  const [line, headers] = parseLines(raw);
  const [, method, target, minor] = REQUEST.exec(line) ?? fail('the request line');
  const value = valuesOf(headers);
  const tokens = connectionTokens(value('connection'));
  const upgrade = method === 'CONNECT' || (tokens.includes('upgrade') && value('upgrade').length > 0);
  const close = tokens.includes('close') || (minor === '0' && !tokens.includes('keep-alive'));
  const framing = requestFraming(value('transfer-encoding'), value('content-length'), Number(minor));
  return { raw, method: method!, target: target!, minor: Number(minor), headers, framing, close, upgrade };
}

/** @param method Of the request it answers. */
export function parseResponse(raw: Buffer, method: string): ResponseHead {
  const [line, headers] = parseLines(raw);
  const [, minor, code] = RESPONSE.exec(line) ?? fail('the status line');
  const status = Number(code);
  const value = valuesOf(headers);
  const tokens = connectionTokens(value('connection'));
  const framing = responseFraming(status, method, value('transfer-encoding'), value('content-length'));
  const close =
    tokens.includes('close') || framing.kind === 'close' || (minor === '0' && !tokens.includes('keep-alive'));
  return { raw, status, minor: Number(minor), headers, framing, close };
}

function parseLines(raw: Buffer): [line: string, headers: [string, string][]] {
  const text = raw.toString('latin1', leadingLines(raw), raw.length - 4);
  const [line = '', ...fields] = text.split('\r\n');
  // A line end of one character is one to some parsers and part of a value to others.
  if (/[\r\n\0]/.test(text.replaceAll('\r\n', ''))) fail('a line end');
  return [
    line,
    fields.map((field) => {
      const [, name, value] = FIELD.exec(field) ?? fail('a header');
      return [name!, value!];
    }),
  ];
}

function valuesOf(headers: [string, string][]): (name: string) => string[] {
  return (name) => headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

function connectionTokens(values: string[]): string[] {
  return values.flatMap((value) => value.toLowerCase().split(',')).map((token) => token.trim());
}

/** Whatever two servers could read in two ways is refused: requests must not be cut differently here and there. */
function requestFraming(encodings: string[], lengths: string[], minor: number): Framing {
  if (encodings.length > 0) {
    if (encodings.length > 1 || encodings[0]!.toLowerCase() !== 'chunked' || lengths.length > 0 || minor === 0) {
      fail('transfer-encoding');
    }
    return { kind: 'chunked' };
  }
  return lengths.length === 0 ? { kind: 'none' } : { kind: 'length', length: parseLength(lengths) };
}

function responseFraming(status: number, method: string, encodings: string[], lengths: string[]): Framing {
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') return { kind: 'none' };
  if (method === 'CONNECT' && status < 300) return { kind: 'none' };
  const last = connectionTokens(encodings).at(-1);
  if (last !== undefined) return last === 'chunked' ? { kind: 'chunked' } : { kind: 'close' };
  return lengths.length === 0 ? { kind: 'close' } : { kind: 'length', length: parseLength(lengths) };
}

function parseLength(values: string[]): number {
  const [first = '', ...others] = values;
  if (!/^\d{1,15}$/.test(first) || others.some((other) => other !== first)) fail('content-length');
  return Number(first);
}

function fail(what: string): never {
  throw new MalformedMessage(`malformed: ${what}`);
}
