import { describe, expect, it } from 'vitest';
import { parseFieldSelector } from '../../../src/playground/field-selectors';
import { formatSelector, matchesSelector, parseLabelSelector } from '../../../src/playground/selectors';

const labels = { app: 'web', tier: 'front', empty: '' };

describe('a label selector', () => {
  it.each([
    ['', true],
    ['app=web', true],
    ['app==web', true],
    ['app=api', false],
    ['app!=api', true],
    ['app!=web', false],
    ['missing!=x', true],
    ['app in (api, web)', true],
    ['app in (api)', false],
    ['app notin (api,db)', true],
    ['missing notin (api)', true],
    ['app', true],
    ['missing', false],
    ['!missing', true],
    ['!app', false],
    ['app=web,tier in (front),!missing', true],
    ['app=web,tier=back', false],
    ['empty=', true],
    ['app=', false],
    [' app = web , tier ', true],
  ])('%j gives %s', (text, expected) => {
    expect(parseLabelSelector(text)(labels)).toBe(expected);
  });

  it('does not take what every object inherits for a label', () => {
    expect(parseLabelSelector('constructor')(labels)).toBe(false);
  });

  it.each(['a===b', 'app in web', 'app in (', '=x', '!', 'a=b c', 'app=web,'])('%j is a bad request', (text) => {
    expect(() => parseLabelSelector(text)).toThrow(expect.objectContaining({ code: 400, reason: 'BadRequest' }));
  });

  it('of a workload that is empty matches nothing', () => {
    expect(matchesSelector(undefined, labels)).toBe(false);
    expect(matchesSelector({}, labels)).toBe(false);
    expect(matchesSelector({ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['x'] }] }, labels)).toBe(
      true,
    );
    expect(formatSelector({ matchLabels: { b: '2', a: '1' } })).toBe('a=1,b=2');
  });
});

describe('a field selector', () => {
  const pod: any = { metadata: { name: 'a', namespace: 'n' }, spec: { nodeName: 'x' }, status: { phase: 'Running' } };

  it.each([
    ['metadata.name=a', true],
    ['metadata.name==b', false],
    ['metadata.namespace=n,status.phase=Running', true],
    ['status.phase!=Running', false],
    ['spec.nodeName=', false],
    ['status.podIP=', true],
    ['spec.hostNetwork=false', true],
  ])('%j gives %s', (text, expected) => {
    expect(parseFieldSelector('pods', text)(pod)).toBe(expected);
  });

  it('knows the fields of events', () => {
    const event: any = { metadata: {}, involvedObject: { name: 'p', uid: 'u' }, reason: 'R', type: 'Normal' };
    expect(parseFieldSelector('events', 'involvedObject.name=p,involvedObject.uid=u,reason=R,type=Normal')(event)).toBe(
      true,
    );
  });

  it.each([
    ['pods', 'spec.foo=b'],
    ['configmaps', 'data.a=1'],
    ['pods', 'constructor=x'],
    ['pods', 'metadata.name'],
  ])('of %s refuses %j', (resource, text) => {
    expect(() => parseFieldSelector(resource, text)).toThrow(expect.objectContaining({ code: 400 }));
  });
});
