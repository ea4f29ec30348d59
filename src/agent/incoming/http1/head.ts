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
/** By code of character: whether a name may have it. */
const IN_NAME = Uint8Array.from({ length: 256 }, (_, code) =>
  Number(/[\w!#$%&'*+.^`|~-]/.test(String.fromCharCode(code))),
);
const HEAD_END = Buffer.from('\r\n\r\n');

/** Bytes of the first head in there; 0 while its end has not arrived. Throws when it is longer than any server takes. */
export function findHead(bytes: Buffer): number {
  const end = bytes.indexOf(HEAD_END, leadingLines(bytes));
  if (end < 0 && bytes.length > MAX_HEAD) throw new MalformedMessage('the head is too long');
  return end < 0 ? 0 : end + 4;
}

/** Whether there is anything of a head; empty lines are none, and may stand behind a body. */
export function hasBegun(bytes: Buffer): boolean {
  return leadingLines(bytes) < bytes.length;
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
  const { connection, upgrade: asked, encodings, lengths } = readMarks(headers);
  const upgrade = method === 'CONNECT' || (connection.includes('upgrade') && asked);
  const close = connection.includes('close') || (minor === '0' && !connection.includes('keep-alive'));
  const framing = requestFraming(encodings, lengths, Number(minor));
  return { raw, method: method!, target: target!, minor: Number(minor), headers, framing, close, upgrade };
}

/** @param method Of the request it answers. */
export function parseResponse(raw: Buffer, method: string): ResponseHead {
  const [line, headers] = parseLines(raw);
  const [, minor, code] = RESPONSE.exec(line) ?? fail('the status line');
  const status = Number(code);
  const { connection, encodings, lengths } = readMarks(headers);
  const framing = responseFraming(status, method, encodings, lengths);
  const close =
    connection.includes('close') || framing.kind === 'close' || (minor === '0' && !connection.includes('keep-alive'));
  return { raw, status, minor: Number(minor), headers, framing, close };
}

/** Character by character: each message that passes comes through here twice, and expressions cost several times as much. */
function parseLines(raw: Buffer): [line: string, headers: [string, string][]] {
  const text = raw.toString('latin1', leadingLines(raw), raw.length - 2);
  let end = text.indexOf('\r\n');
  const line = text.slice(0, end);
  refuseOdd(line, 0, end);
  const headers: [string, string][] = [];
  for (let at = end + 2; at < text.length; at = end + 2) {
    end = text.indexOf('\r\n', at);
    headers.push(parseField(text, at, end));
  }
  return [line, headers];
}

function parseField(text: string, at: number, lineEnd: number): [string, string] {
  let colon = at;
  while (IN_NAME[text.charCodeAt(colon)] === 1) colon++;
  if (colon === at || colon >= lineEnd || text.charCodeAt(colon) !== COLON) fail('a header');
  let start = colon + 1;
  let end = lineEnd;
  while (start < end && isBlank(text, start)) start++;
  while (end > start && isBlank(text, end - 1)) end--;
  refuseOdd(text, start, end);
  return [text.slice(at, colon), text.slice(start, end)];
}

const COLON = 58;

/** A line end of one character is one to some parsers and part of a value to others. */
function refuseOdd(text: string, start: number, end: number): void {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code <= 13 && (code === 13 || code === 10 || code === 0)) fail('a line end');
  }
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 32 || code === 9;
}

/** What the headers say about the message itself. */
interface Marks {
  /** Lower case. */
  connection: string[];
  upgrade: boolean;
  encodings: string[];
  lengths: string[];
}

function readMarks(headers: [string, string][]): Marks {
  const marks: Marks = { connection: [], upgrade: false, encodings: [], lengths: [] };
  for (const [name, value] of headers) {
    // By length first: this runs for each header of each message that passes.
    if (!MARK_LENGTHS.has(name.length)) continue;
    const key = name.toLowerCase();
    if (key === 'connection') marks.connection.push(...splitTokens(value));
    else if (key === 'upgrade') marks.upgrade = true;
    else if (key === 'transfer-encoding') marks.encodings.push(value);
    else if (key === 'content-length') marks.lengths.push(value);
  }
  return marks;
}

const MARK_LENGTHS = new Set(
  ['connection', 'upgrade', 'transfer-encoding', 'content-length'].map((name) => name.length),
);

function splitTokens(value: string): string[] {
  const lower = value.toLowerCase();
  return lower.includes(',') ? lower.split(',').map((token) => token.trim()) : [lower];
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
  const last = encodings.flatMap(splitTokens).at(-1);
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
