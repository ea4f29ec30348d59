import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLog } from '../../../src/agent/log';
import { copyResolverFiles } from '../../../src/agent/target/resolver-files';
import { makeRoot } from './pod-root';

let pod: ReturnType<typeof makeRoot>;
let own: ReturnType<typeof makeRoot>;
const lines: string[] = [];
const log = createLog({ level: 'debug', json: true, part: 'test', write: (line) => lines.push(line) });
const ownText = (name: string) => readFileSync(join(own.path, 'etc', name), 'utf8');

beforeEach(() => {
  lines.length = 0;
  pod = makeRoot({ 'etc/resolv.conf': 'nameserver 10.96.0.10\n', 'etc/hosts': '10.0.0.1 pod\n' });
  own = makeRoot({ 'etc/resolv.conf': 'nameserver 1.2.3.4\noptions ndots:5\n', 'etc/hosts': '' });
});
afterEach(() => {
  pod.remove();
  own.remove();
});

it('makes both files equal, longer or shorter, and writes only what differs', async () => {
  expect(await copyResolverFiles(pod, log, own.path)).toBe(2);
  expect(ownText('resolv.conf')).toBe('nameserver 10.96.0.10\n');
  expect(ownText('hosts')).toBe('10.0.0.1 pod\n');
  expect(await copyResolverFiles(pod, log, own.path)).toBe(0);
  writeFileSync(join(pod.path, 'etc/hosts'), '10.0.0.1 pod\n10.0.0.2 b\n');
  expect(await copyResolverFiles(pod, log, own.path)).toBe(1);
  expect(lines).toEqual([]);
});

it('a file that the pod does not have is empty', async () => {
  rmSync(join(pod.path, 'etc/resolv.conf'));
  await copyResolverFiles(pod, log, own.path);
  expect(ownText('resolv.conf')).toBe('');
});

it('what cannot be read is logged without its content, and left as it was', async () => {
  rmSync(join(pod.path, 'etc/resolv.conf'));
  mkdirSync(join(pod.path, 'etc/resolv.conf'));
  await copyResolverFiles(pod, log, own.path);
  expect(ownText('resolv.conf')).toContain('1.2.3.4');
  expect(ownText('hosts')).toBe('10.0.0.1 pod\n');
  expect(lines.join('')).toContain('"code":"EISDIR"');
  expect(lines.join('')).not.toContain('10.96');
});
