import { describe, expect, it } from 'vitest';
import { parsePatch } from '../../../src/playground/patch/apply-patch';
import { mergePatch } from '../../../src/playground/patch/merge';
import { strategicMerge } from '../../../src/playground/patch/strategic-merge';

const spec = (containers: unknown[], extra: object = {}) => ({ spec: { containers, ...extra } });

describe('a strategic merge patch', () => {
  it('merges containers by name and their lists by their own keys', () => {
    const before = spec([
      { name: 'a', image: '1', env: [{ name: 'X', value: '1' }], ports: [{ containerPort: 80, name: 'http' }] },
      { name: 'b', image: '2' },
    ]);
    const patch = spec([
      {
        name: 'a',
        env: [{ name: 'Y', value: '2' }],
        ports: [{ containerPort: 80, protocol: 'UDP' }, { containerPort: 81 }],
        volumeMounts: [{ mountPath: '/x', name: 'v' }],
      },
      { name: 'c', image: '3' },
    ]);
    expect(strategicMerge(before, patch)).toEqual(
      spec([
        {
          name: 'a',
          image: '1',
          env: [
            { name: 'X', value: '1' },
            { name: 'Y', value: '2' },
          ],
          ports: [{ containerPort: 80, name: 'http', protocol: 'UDP' }, { containerPort: 81 }],
          volumeMounts: [{ mountPath: '/x', name: 'v' }],
        },
        { name: 'b', image: '2' },
        { name: 'c', image: '3' },
      ]),
    );
  });

  it('replaces lists that have no key, and deletes by null', () => {
    const before = spec([{ name: 'a', command: ['x', 'y'], args: ['1'] }], { nodeName: 'n' });
    expect(strategicMerge(before, spec([{ name: 'a', command: ['z'], args: null }], { nodeName: null }))).toEqual(
      spec([{ name: 'a', command: ['z'] }]),
    );
  });

  it('understands $patch: delete and replace', () => {
    const before = spec([{ name: 'a' }, { name: 'b' }], { nodeSelector: { x: '1', y: '2' } });
    expect(strategicMerge(before, spec([{ name: 'a', $patch: 'delete' }]))).toEqual(
      spec([{ name: 'b' }], { nodeSelector: { x: '1', y: '2' } }),
    );
    const replaced = strategicMerge(
      before,
      spec([{ $patch: 'replace' }, { name: 'z' }], { nodeSelector: { $patch: 'replace', z: '3' } }),
    );
    expect(replaced).toEqual(spec([{ name: 'z' }], { nodeSelector: { z: '3' } }));
  });

  it('understands $setElementOrder, $retainKeys and $deleteFromPrimitiveList', () => {
    const before = spec([{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
    const order = [{ name: 'c' }, { name: 'a' }, { name: 'b' }];
    expect(strategicMerge(before, { spec: { '$setElementOrder/containers': order } })).toEqual(spec(order));
    expect(
      strategicMerge(
        { strategy: { type: 'RollingUpdate', rollingUpdate: {} } },
        { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
      ),
    ).toEqual({ strategy: { type: 'Recreate' } });
    expect(strategicMerge({ finalizers: ['a', 'b'] }, { '$deleteFromPrimitiveList/finalizers': ['a'] })).toEqual({
      finalizers: ['b'],
    });
    expect(strategicMerge({ finalizers: ['a'] }, { finalizers: ['a', 'b'] })).toEqual({ finalizers: ['a', 'b'] });
  });

  it('leaves no directive in what it adds', () => {
    const added = strategicMerge(
      {},
      spec([{ name: 'a', env: [{ name: 'X', $patch: 'merge' }], '$setElementOrder/env': [{ name: 'X' }] }]),
    );
    expect(added).toEqual(spec([{ name: 'a', env: [{ name: 'X' }] }]));
  });

  it('refuses an element without its key and an unknown directive', () => {
    expect(() => strategicMerge(spec([{ name: 'a' }]), spec([{ image: 'x' }]))).toThrow(
      /does not contain declared merge key: name/,
    );
    expect(() => strategicMerge({}, { $patch: 'explode' })).toThrow(/Unknown patch type found: explode/);
  });

  it('does not touch its input, nor the prototype of objects', () => {
    const before = spec([{ name: 'a', env: [{ name: 'X' }] }]);
    const copy = structuredClone(before);
    strategicMerge(before, JSON.parse('{"__proto__":{"polluted":1},"spec":{"containers":[{"name":"a","image":"y"}]}}'));
    mergePatch({}, JSON.parse('{"__proto__":{"polluted":1}}'));
    expect(before).toEqual(copy);
    expect(({} as any).polluted).toBeUndefined();
  });
});

describe('a patch by its media type', () => {
  const object: any = { metadata: { name: 'a' }, data: { a: '1' } };
  const apply = (type: string, body: unknown) => parsePatch(type, Buffer.from(JSON.stringify(body))).patch(object);

  it('is JSON patch, merge patch or YAML apply', () => {
    expect(apply('application/json-patch+json', [{ op: 'replace', path: '/data/a', value: '2' }]).data).toEqual({
      a: '2',
    });
    expect(apply('application/merge-patch+json', { data: { a: null, b: '2' } }).data).toEqual({ b: '2' });
    const yaml = parsePatch('application/apply-patch+yaml', Buffer.from('data:\n  b: "2"\n'));
    expect(yaml.patch(object).data).toEqual({ a: '1', b: '2' });
    expect(object.data).toEqual({ a: '1' });
  });

  it.each([
    ['application/json', {}, 415],
    ['application/merge-patch+json', [], 400],
    ['application/merge-patch+json', { metadata: null }, 400],
    ['application/json-patch+json', {}, 400],
    ['application/json-patch+json', [{ op: 'remove', path: '/nope' }], 422],
  ])('%s with %j answers %i', (type, body, code) => {
    expect(() => apply(type, body)).toThrow(expect.objectContaining({ code }));
  });
});
