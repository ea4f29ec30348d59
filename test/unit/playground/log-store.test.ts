import { describe, expect, it } from 'vitest';
import { ContainerLog } from '../../../src/playground/log-store';
import type { LogOptions } from '../../../src/playground/types';

const all: LogOptions = { follow: false, previous: false, timestamps: false };

async function read(log: ContainerLog, options: Partial<LogOptions> = {}): Promise<string> {
  let text = '';
  for await (const chunk of log.read({ ...all, ...options })) text += chunk;
  return text;
}

describe('a container log', () => {
  it('keeps lines that come in pieces together, and streams apart', async () => {
    const log = new ContainerLog();
    log.write('stdout', Buffer.from('he'));
    log.write('stderr', Buffer.from('error\n'));
    log.write('stdout', Buffer.from('llo\nrest'));
    expect(await read(log)).toBe('error\nhello\n');
    log.end();
    expect(await read(log)).toBe('error\nhello\nrest');
  });

  it('cuts a line that does not end at 16 KiB, not before', async () => {
    const log = new ContainerLog();
    log.write('stdout', Buffer.alloc(16_383, 'a'));
    expect(await read(log)).toBe('');
    log.write('stdout', Buffer.from('a'));
    expect((await read(log)).length).toBe(16_384);
  });

  it('gives the last lines, a number of bytes, or nothing', async () => {
    const log = new ContainerLog();
    log.write('stdout', Buffer.from('1\n2\n3\n'));
    expect(await read(log, { tailLines: 2 })).toBe('2\n3\n');
    expect(await read(log, { tailLines: 0 })).toBe('');
    expect(await read(log, { tailLines: 9 })).toBe('1\n2\n3\n');
    expect(await read(log, { limitBytes: 3 })).toBe('1\n2');
    expect(await read(log, { timestamps: true, tailLines: 1 })).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z 3\n$/);
  });

  it('follows until the container ends', async () => {
    const log = new ContainerLog();
    log.write('stdout', Buffer.from('before\n'));
    const text = read(log, { follow: true });
    setTimeout(() => log.write('stdout', Buffer.from('after\n')), 5);
    setTimeout(() => log.end(), 10);
    expect(await text).toBe('before\nafter\n');
  });

  it('drops the oldest lines above 10 MiB', async () => {
    const log = new ContainerLog();
    const line = Buffer.concat([Buffer.alloc(1023, 'x'), Buffer.from('\n')]);
    log.write('stdout', Buffer.from('first\n'));
    for (let index = 0; index < 10 * 1024 - 1; index++) log.write('stdout', line);
    expect((await read(log)).startsWith('first\n')).toBe(true);
    log.write('stdout', line);
    expect((await read(log)).startsWith('first\n')).toBe(false);
  });
});
