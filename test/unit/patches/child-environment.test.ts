import { describe, expect, it } from 'vitest';
import { copyEnvironment, inheritInto, inheritIntoPairs } from '../../../src/patches/child-environment';

const children = {
  inherit: (env: Record<string, string | undefined>) => ({
    ...(env as Record<string, string>),
    NODE_OPTIONS: `--require=x ${env.NODE_OPTIONS ?? ''}`.trim(),
    MIRRORD_SESSION: 'socket',
  }),
};

describe('the environment of a child', () => {
  it('gets what a child needs and keeps the rest', () => {
    expect(inheritIntoPairs(children, ['A=1', 'B=x=y', 'NODE_OPTIONS=--no-warnings'], 'linux')).toEqual([
      'A=1',
      'B=x=y',
      'NODE_OPTIONS=--require=x --no-warnings',
      'MIRRORD_SESSION=socket',
    ]);
  });

  it('keeps empty values, and the odd names of Windows', () => {
    expect(inheritIntoPairs(children, ['A=', '=C:=C:\\work'], 'win32')).toEqual(
      expect.arrayContaining(['A=', '=C:=C:\\work']),
    );
  });

  it('finds variables in any spelling on Windows and only there', () => {
    const env = { Node_Options: '--a', Path: 'p' };
    expect(inheritInto(children, env, 'win32')).toEqual({
      NODE_OPTIONS: '--require=x --a',
      Path: 'p',
      MIRRORD_SESSION: 'socket',
    });
    expect(inheritInto(children, env, 'linux')).toMatchObject({ Node_Options: '--a', NODE_OPTIONS: '--require=x' });
  });

  it('takes the first of several spellings', () => {
    expect(inheritInto(children, { node_options: '--a', NODE_OPTIONS: '--b' }, 'win32').NODE_OPTIONS).toBe(
      '--require=x --a',
    ); // the one Windows keeps
  });

  it('is copied as Node copies it: inherited, as text, without undefined', () => {
    const env = Object.assign(Object.create({ BASE: 'b' }), { N: 1, GONE: undefined, NULL: null });
    expect(copyEnvironment(env)).toEqual({ BASE: 'b', N: '1', NULL: 'null' });
  });
});
