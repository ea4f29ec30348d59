import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../src/log';

const written = (env: Record<string, string>, namespaces: string[]) => {
  const lines: string[] = [];
  const log = createLog(env, (_descriptor, line) => lines.push(line));
  for (const namespace of namespaces) log(namespace, 'message');
  return lines.map((line) => / mirrord:(\S+) \[\d+\] message\n$/.exec(line)?.[1]);
};

describe('the debug log', () => {
  it('is silent unless asked', () => {
    expect(written({}, ['tcp'])).toEqual([]);
    expect(written({ DEBUG: 'express:*' }, ['tcp'])).toEqual([]);
  });

  it.each([
    ['mirrord:*', ['tcp', 'dns']],
    ['*', ['tcp', 'dns']],
    ['mirrord:tcp', ['tcp']],
    ['express:*, mirrord:d*', ['dns']],
    ['mirrord:* -mirrord:tcp', ['dns']],
    ['mirrord', []],
    ['mirrord:t.p', []],
  ])('follows DEBUG=%s', (DEBUG, expected) => {
    expect(written({ DEBUG }, ['tcp', 'dns'])).toEqual(expected);
  });

  it('tells whether a namespace is written', () => {
    expect(createLog({ DEBUG: 'mirrord:tcp' }).enabled('tcp')).toBe(true);
    expect(createLog({ DEBUG: 'mirrord:tcp' }).enabled('dns')).toBe(false);
    expect(createLog({}).enabled('tcp')).toBe(false);
  });

  it('appends everything to the file of MIRRORD_LOG, which only its owner reads', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'log-'));
    const file = path.join(folder, 'mirrord.log');
    const log = createLog({ MIRRORD_LOG: file });
    log('tcp', 'one');
    log('dns', 'two');
    expect(readFileSync(file, 'utf8')).toMatch(/mirrord:tcp \[\d+\] one\n.*mirrord:dns \[\d+\] two\n$/);
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
    rmSync(folder, { recursive: true });
  });

  it('reads the environment once, so that variables which come later do not switch it on', () => {
    const env: Record<string, string> = {};
    const lines: string[] = [];
    const log = createLog(env, (_descriptor, line) => lines.push(line));
    log('tcp', 'before');
    env.DEBUG = 'mirrord:*';
    log('tcp', 'after');
    expect(lines).toEqual([]);
  });

  it('survives a file and a stream that cannot be written', () => {
    const log = createLog({ DEBUG: 'mirrord:*', MIRRORD_LOG: '/no/such/folder/log' }, () => {
      throw new Error('EPIPE');
    });
    expect(() => log('tcp', 'message')).not.toThrow();
  });
});
