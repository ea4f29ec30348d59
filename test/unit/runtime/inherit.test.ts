import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createChildAccess, withPreload } from '../../../src/runtime/inherit';

const folder = mkdtempSync(join(tmpdir(), 'mirrord-inherit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('NODE_OPTIONS', () => {
  it('gets one quoted, absolute preload after what is there', () => {
    expect(withPreload(undefined, '/a/register.cjs')).toBe('--require="/a/register.cjs"');
    expect(withPreload('--max-old-space-size=512', '/a/register.cjs')).toBe(
      '--max-old-space-size=512 --require="/a/register.cjs"',
    );
  });

  it('gets it once', () => {
    const once = withPreload('--trace-warnings', '/a b/register.cjs');
    expect(withPreload(once, '/a b/register.cjs')).toBe(once);
    expect(withPreload('--require=/a/register.cjs', '/a/register.cjs')).toBe('--require=/a/register.cjs');
  });

  it.each([
    '-r mirrord/register',
    '--require mirrord/register',
    '--require=mirrord/register',
    '--import=mirrord/register',
    '--import "mirrord/register"',
  ])('has it in place of %s, which works in one project only', (given) => {
    expect(withPreload(`--a ${given} --b`, '/x.cjs')).toBe('--a --b --require="/x.cjs"');
    expect(withPreload(given, '/x.cjs')).toBe('--require="/x.cjs"');
  });

  it('leaves the preloads of others', () => {
    expect(withPreload('--require=./mirrord/register.js', '/x.cjs')).toBe(
      '--require=./mirrord/register.js --require="/x.cjs"',
    );
  });

  it.each(['with a space', "with 'quotes'", 'with "double quotes"', 'with\\backslash'])(
    'is understood by Node for a folder %s',
    (name) => {
      const place = join(folder, name);
      mkdirSync(place);
      const file = join(place, 'register.cjs');
      writeFileSync(file, 'process.stdout.write("preloaded ")');
      const env = { ...process.env, NODE_OPTIONS: withPreload('--no-warnings', file) };
      expect(execFileSync(process.execPath, ['-p', '1'], { env, encoding: 'utf8' })).toBe('preloaded 1\n');
    },
  );
});

it('a child’s environment is kept but for what makes it join', () => {
  const given = { A: '1', GONE: undefined, NODE_OPTIONS: '--no-warnings', MIRRORD_SESSION: 'another' };
  expect(createChildAccess('path:secret', '/x.cjs').inherit(given)).toEqual({
    A: '1',
    NODE_OPTIONS: '--no-warnings --require="/x.cjs"',
    MIRRORD_SESSION: 'path:secret',
  });
});
