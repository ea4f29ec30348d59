// The shop as Kubernetes objects. On a real cluster only the image name changes.
import { readFileSync } from 'node:fs';

const source = (file) => readFileSync(new URL(`./app/${file}`, import.meta.url), 'utf8');

/** @param {{ namespace: string, image: string }} options */
export function shopManifests({ namespace, image }) {
  const metadata = (name) => ({ name, namespace, labels: { app: name } });
  return [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: metadata('shop-code'),
      data: {
        'reviews.js': source('reviews.js'),
        'facts.js': source('facts.js'),
        'frontend.js': source('frontend.js'),
      },
    },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: metadata('reviews-config'),
      data: { 'ratings.json': '{"scale":5,"halves":true}\n', 'badges.txt': 'new\ntop\n' },
    },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: metadata('reviews-env'),
      data: { GREETING: 'hello from the cluster' },
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: metadata('reviews-secret'),
      type: 'Opaque',
      stringData: { STAR_COLOR: 'ruby' },
    },
    deployment('reviews', 9080, {
      env: [{ name: 'STAR_COLOR', valueFrom: { secretKeyRef: { name: 'reviews-secret', key: 'STAR_COLOR' } } }],
      envFrom: [{ configMapRef: { name: 'reviews-env' } }],
      mounts: [{ name: 'config', mountPath: '/etc/reviews' }],
      volumes: [{ name: 'config', configMap: { name: 'reviews-config' } }],
    }),
    service('reviews', 9080, 9080),
    deployment('frontend', 80, { env: [], envFrom: [], mounts: [], volumes: [] }),
    service('frontend', 80, 80),
  ];

  function deployment(name, port, { env, envFrom, mounts, volumes }) {
    return {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: metadata(name),
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name } },
          spec: {
            terminationGracePeriodSeconds: 1,
            containers: [
              {
                name: 'app',
                image,
                command: ['node', `/app/${name}.js`],
                ports: [{ containerPort: port }],
                env,
                envFrom,
                readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
                volumeMounts: [{ name: 'code', mountPath: '/app' }, ...mounts],
              },
            ],
            volumes: [{ name: 'code', configMap: { name: 'shop-code' } }, ...volumes],
          },
        },
      },
    };
  }

  function service(name, port, targetPort) {
    return {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata(name),
      spec: { selector: { app: name }, ports: [{ port, targetPort }] },
    };
  }
}
