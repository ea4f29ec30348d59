// The shop as Kubernetes objects. On a real cluster only the image name changes.
import { readFileSync } from 'node:fs';
import { objectsOf, podOf } from './objects.mjs';

const source = (file) => readFileSync(new URL(`./app/${file}`, import.meta.url), 'utf8');

/** @param {{ namespace: string, image: string }} options */
export function shopManifests({ namespace, image }) {
  const { configMap, secret, deployment, service } = objectsOf(namespace);
  const program = (name, port, mounts, variables = {}) =>
    deployment(name, {
      terminationGracePeriodSeconds: 1,
      ...podOf({
        image,
        command: ['node', `/app/${name}.js`],
        port,
        ports: [{ containerPort: port }],
        mounts: { 'shop-code': '/app', ...mounts },
        ...variables,
      }),
    });
  return [
    configMap('shop-code', {
      'reviews.js': source('reviews.js'),
      'facts.js': source('facts.js'),
      'frontend.js': source('frontend.js'),
    }),
    configMap('reviews-config', { 'ratings.json': '{"scale":5,"halves":true}\n', 'badges.txt': 'new\ntop\n' }),
    configMap('reviews-env', { GREETING: 'hello from the cluster' }),
    secret('reviews-secret', { STAR_COLOR: 'ruby' }),
    program(
      'reviews',
      9080,
      { 'reviews-config': '/etc/reviews' },
      {
        env: [{ name: 'STAR_COLOR', valueFrom: { secretKeyRef: { name: 'reviews-secret', key: 'STAR_COLOR' } } }],
        envFrom: [{ configMapRef: { name: 'reviews-env' } }],
      },
    ),
    service('reviews', 9080),
    program('frontend', 80),
    service('frontend', 80),
  ];
}
