import { describe, expect, it } from 'vitest';
import { matchesWildcard, parseEnvironment, readEnvironment, selectVariables } from '../../../src/agent/environment';
import { rejection } from './pod-root';

describe('parseEnvironment', () => {
  const parse = (text: string) => Object.fromEntries(parseEnvironment(Buffer.from(text)));

  it('takes names and values, empty values and values with = and line breaks', () => {
    expect(parse('A=1\0B=\0C=x=y\0D=two\nlines\0')).toEqual({ A: '1', B: '', C: 'x=y', D: 'two\nlines' });
  });

  it('of two equal names the first counts, entries without a name are left out', () => {
    expect(parse('A=1\0A=2\0=x\0title of a program\0\0')).toEqual({ A: '1' });
  });

  it('values are UTF-8', () => {
    expect(parse('NAME=grüße 🙂\0')).toEqual({ NAME: 'grüße 🙂' });
  });
});

describe('matchesWildcard', () => {
  it.each([
    ['DB_HOST', 'DB_*', true],
    ['DB_HOST', '*HOST', true],
    ['DB_HOST', 'D?_H*T', true],
    ['DB_HOST', '*', true],
    ['DB_HOST', 'DB_HOST', true],
    ['DB_HOST', 'DB', false],
    ['DB_HOST', 'DB?', false],
    ['DB_HOST', 'db_host', false],
    ['A.B', 'A.B', true],
    ['AXB', 'A.B', false],
    ['', '*', true],
    ['', '?', false],
    ['A', '', false],
    ['aab', '*ab', true],
    ['abcabd', '*abd', true],
  ])('%s and %s: %s', (name, pattern, expected) => {
    expect(matchesWildcard(name, pattern)).toBe(expected);
  });

  it('many stars over a long name take no time', () => {
    const started = performance.now();
    expect(matchesWildcard('a'.repeat(20_000), `${'*a'.repeat(50)}*b`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe('selectVariables', () => {
  const variables = new Map([
    ['DB_HOST', 'h'],
    ['DB_PASSWORD', 'p'],
    ['__proto__', 'x'],
  ]);

  it('an empty include is all; exclude wins over include', () => {
    expect(Object.keys(selectVariables(variables, [], []))).toEqual(['DB_HOST', 'DB_PASSWORD', '__proto__']);
    expect({ ...selectVariables(variables, ['DB_*'], ['*PASS*']) }).toEqual({ DB_HOST: 'h' });
  });
});

describe('readEnvironment', () => {
  it('reads a living process', async () => {
    expect((await readEnvironment('/proc/self/environ')).get('PATH')).toBeDefined();
  });

  it('says that a process is gone', async () => {
    expect(await rejection(readEnvironment(`/proc/${2 ** 22 + 1}/environ`))).toMatchObject({ code: 'TARGET_GONE' });
  });
});
