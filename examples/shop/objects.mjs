// Kubernetes objects in the form in which the demo, the benchmarks and the chaos programs need them.

/** @param {string} namespace of all that is made with it */
export function objectsOf(namespace) {
  const metadata = (name) => ({ name, namespace, labels: { app: name } });
  return {
    configMap: (name, data) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata(name), data }),
    secret: (name, stringData) => ({ apiVersion: 'v1', kind: 'Secret', metadata: metadata(name), stringData }),
    service: (name, port) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata(name),
      spec: { selector: { app: name }, ports: [{ port, targetPort: port }] },
    }),
    /** One pod, which is given little time to end. */
    deployment: (name, podSpec) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: metadata(name),
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: name } },
        template: { metadata: { labels: { app: name } }, spec: { terminationGracePeriodSeconds: 0, ...podSpec } },
      },
    }),
  };
}

/** A container named `app` that runs a program of ConfigMap volumes, given by their names and mount paths. */
export function podOf({ image, command, port, mounts, ...container }) {
  const ready = port && { readinessProbe: { tcpSocket: { port }, periodSeconds: 1 } };
  const volumeMounts = Object.entries(mounts).map(([name, mountPath]) => ({ name, mountPath }));
  return {
    containers: [{ name: 'app', image, command, ...ready, volumeMounts, ...container }],
    volumes: Object.keys(mounts).map((name) => ({ name, configMap: { name } })),
  };
}
