import { readFixture } from './support';

export interface Transcript {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
  status: number;
  answerHeaders: Record<string, string>;
  answer: string;
}

/** Reads a recorded request and answer: `# REQUEST`, then `# RESPONSE`. */
export function readTranscript(name: string): Transcript {
  const [, requestText = '', responseText = ''] = readFixture(`${name}.txt`).split(/^# (?:REQUEST|RESPONSE)\n/m);
  const [first = '', ...rest] = requestText.split('\n');
  const [method = '', path = ''] = first.split(' ');
  const headers: Record<string, string> = {};
  const body: string[] = [];
  for (const line of rest) {
    const match = /^([A-Z][\w-]*): (.*)$/.exec(line);
    if (match) headers[match[1]!.toLowerCase()] = match[2]!;
    else if (line) body.push(line);
  }
  const text = responseText.replace(/^curl:.*\n/, '').replaceAll('\r', '');
  const split = text.indexOf('\n\n');
  const [statusLine = '', ...headerLines] = text.slice(0, split).split('\n');
  const pairs = headerLines.map((line) => line.split(/:\s*(.*)/s).slice(0, 2) as [string, string]);
  return {
    method,
    path,
    headers,
    body: body.length > 0 ? body.join('\n') : undefined,
    status: Number(statusLine.split(' ')[1]),
    answerHeaders: Object.fromEntries(pairs.map(([key, value]) => [key.toLowerCase(), value])),
    answer: text.slice(split + 2),
  };
}

/** The keys and types of a value, without the fields that are known to differ. */
export function shapeOf(value: unknown, ignored: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) return value.map((entry) => shapeOf(entry, ignored));
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value;
  const entries = Object.entries(value).filter(([key]) => !ignored.has(key));
  return Object.fromEntries(entries.map(([key, entry]) => [key, shapeOf(entry, ignored)]));
}
