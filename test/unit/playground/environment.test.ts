import { describe, expect, it } from 'vitest';
import { buildEnvironment, ContainerConfigError, serviceVariables } from '../../../src/playground/environment';
import { expand } from '../../../src/playground/expand';
import { parseQuantity, resolveResourceFieldRef } from '../../../src/playground/field-ref';
import { createStore } from '../../../src/playground/store';

const capacity = { cpu: 4, memory: 8 * 2 ** 30 };

function build(container: any, prepare: (store: ReturnType<typeof createStore>) => void = () => {}) {
  const store = createStore();
  prepare(store);
  const pod: any = { metadata: { name: 'p', namespace: 'default', uid: 'u' }, spec: { containers: [container] } };
  return buildEnvironment({ store, pod, container, imageEnv: { PATH: '/bin' }, hostname: 'p', capacity });
}

describe('expansion of $(NAME)', () => {
  it.each([
    ['$(A)', '1'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$(B)', '$(B)'],
    ['$(A', '$(A'],
    ['$A', '$A'],
    ['$(toString)', '$(toString)'],
  ])('turns %s into %s', (text, expected) => expect(expand(text, { A: '1' })).toBe(expected));
});

describe('a container environment', () => {
  it('lets env win over envFrom and both over the image', () => {
    const env = build(
      {
        env: [
          { name: 'K', value: 'env' },
          { name: 'PATH', value: '/mine' },
        ],
        envFrom: [{ configMapRef: { name: 'cm' } }],
      },
      (store) =>
        store.create('configmaps', {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: 'cm' },
          data: { K: 'from', L: 'l', '1bad': 'x' },
        }),
    );
    expect(env).toMatchObject({ K: 'env', L: 'l', PATH: '/mine', HOSTNAME: 'p' });
    expect(env).not.toHaveProperty('1bad');
  });

  it('refuses references to objects and keys that do not exist, in the words of the kubelet', () => {
    const reference = (more = {}) => ({
      env: [{ name: 'K', valueFrom: { secretKeyRef: { name: 's', key: 'k', ...more } } }],
    });
    expect(() => build(reference())).toThrow(new ContainerConfigError('secret "s" not found'));
    const withSecret = (store: any) =>
      store.create('secrets', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data: {} });
    expect(() => build(reference(), withSecret)).toThrow("couldn't find key k in Secret default/s");
    expect(build(reference({ optional: true }), withSecret)).not.toHaveProperty('K');
  });

  it('names the API always and the namespace’s services only with service links', () => {
    const service = (namespace: string, name: string, clusterIP: string): any => ({
      metadata: { namespace, name },
      spec: { clusterIP, ports: [{ name: 'web-ui', port: 80, protocol: 'TCP' }] },
    });
    const all = [
      service('default', 'kubernetes', '10.96.0.1'),
      service('team', 'my-db', '10.96.0.5'),
      service('other', 'x', '10.96.0.6'),
      service('team', 'headless', 'None'),
    ];
    const linked = serviceVariables(all, 'team', true);
    expect(linked).toMatchObject({
      KUBERNETES_SERVICE_HOST: '10.96.0.1',
      MY_DB_SERVICE_HOST: '10.96.0.5',
      MY_DB_SERVICE_PORT_WEB_UI: '80',
      MY_DB_PORT_80_TCP_ADDR: '10.96.0.5',
    });
    expect(Object.keys(linked).some((name) => name.startsWith('X_') || name.startsWith('HEADLESS'))).toBe(false);
    expect(Object.keys(serviceVariables(all, 'team', false)).every((name) => name.startsWith('KUBERNETES'))).toBe(true);
  });
});

describe('quantities', () => {
  it.each([
    ['250m', 0.25],
    ['2', 2],
    ['64Mi', 64 * 2 ** 20],
    ['1k', 1000],
    ['x', Number.NaN],
    ['1Q', Number.NaN],
  ])('reads %s', (text, value) => expect(parseQuantity(text)).toBe(value));

  it('falls back to the node for limits that are not set, and rounds up to the divisor', () => {
    expect(resolveResourceFieldRef({}, { resource: 'limits.cpu' }, capacity)).toBe('4');
    expect(
      resolveResourceFieldRef({ resources: { limits: { cpu: '1500m' } } }, { resource: 'limits.cpu' }, capacity),
    ).toBe('2');
    expect(
      resolveResourceFieldRef(
        { resources: { requests: { memory: '100Mi' } } },
        { resource: 'requests.memory', divisor: '1Mi' },
        capacity,
      ),
    ).toBe('100');
  });
});
