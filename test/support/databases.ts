import { apply, configMap, deployment, service, settings, waitForDeployment } from './cluster';

/** Redis behind the Service `redis`. */
export async function deployRedis(namespace: string): Promise<void> {
  await apply(
    service(namespace, 'redis', [6379]),
    deployment({
      name: 'redis',
      namespace,
      image: settings.serversImage,
      command: ['redis-server', '--protected-mode', 'no', '--save', '', '--dir', '/tmp'],
      port: 6379,
    }),
  );
  await waitForDeployment(namespace, 'redis');
}

/** PostgreSQL behind the Service `postgres`; the user of that name needs no password. */
export async function deployPostgres(namespace: string): Promise<void> {
  const script = [
    'PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin | tail -1)',
    'initdb -D /data/db -A trust -U postgres >/dev/null',
    'echo "host all all 0.0.0.0/0 trust" >> /data/db/pg_hba.conf',
    "exec postgres -D /data/db -c listen_addresses='*' -c unix_socket_directories=/data -c fsync=off",
  ].join('\n');
  await apply(
    service(namespace, 'postgres', [5432]),
    // The server refuses to run as root, and wants to find its user by name.
    configMap(namespace, 'passwd', { passwd: 'root:x:0:0::/root:/bin/sh\npostgres:x:999:999::/data:/bin/sh\n' }),
    deployment({
      name: 'postgres',
      namespace,
      image: settings.serversImage,
      command: ['sh', '-ec', script],
      port: 5432,
      securityContext: { runAsUser: 999, runAsGroup: 999 },
      volumes: { '/data': { emptyDir: {} }, '/etc/passwd': { configMap: { name: 'passwd' }, subPath: 'passwd' } },
    }),
  );
  await waitForDeployment(namespace, 'postgres');
}
