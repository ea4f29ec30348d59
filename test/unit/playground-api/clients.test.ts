import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { promisify } from 'node:util';
import * as k8s from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubeconfigFor } from '../../../src/playground/api/server';
import { startControllers } from '../../../src/playground/controllers';
import { startFakeKubelet } from './fake-kubelet';
import { type Cluster, startCluster } from './support';

let cluster: Cluster;
let folder: string;
let web: Server;
let webPort: number;
const stops: (() => void)[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  stops.push(startFakeKubelet(cluster.store), startControllers(cluster).stop);
  folder = mkdtempSync(join(tmpdir(), 'playground-api-'));
  writeFileSync(join(folder, 'config'), kubeconfigFor(cluster.server), { mode: 0o600 });
  web = createServer((request, response) => response.end(`hello ${request.url}`)).listen(0, '127.0.0.1');
  await once(web, 'listening');
  webPort = (web.address() as AddressInfo).port;
});
afterAll(async () => {
  for (const stop of stops) stop();
  web.close();
  rmSync(folder, { recursive: true });
  await cluster.server.close();
});

const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: c, image: "playground/node:1", ports: [{ containerPort: 80 }] }] }
`;

describe('@kubernetes/client-node', () => {
  const config = () => {
    const kubeconfig = new k8s.KubeConfig();
    kubeconfig.loadFromString(kubeconfigFor(cluster.server));
    return kubeconfig;
  };

  it('creates, lists, watches, executes and forwards', async () => {
    const kubeconfig = config();
    const api = kubeconfig.makeApiClient(k8s.CoreV1Api);
    const seen: string[] = [];
    const watch = await new k8s.Watch(kubeconfig).watch(
      '/api/v1/namespaces/default/pods',
      { fieldSelector: 'metadata.name=typed' },
      (type, { status }) => seen.push(`${type} ${status.phase}`),
      () => {},
    );
    const spec = { containers: [{ name: 'c', image: 'i' }] };
    await api.createNamespacedPod({ namespace: 'default', body: { metadata: { name: 'typed' }, spec } });
    await expect.poll(() => seen).toEqual(['ADDED Pending', 'MODIFIED Running']);
    watch.abort();
    const { items } = await api.listNamespacedPod({ namespace: 'default', fieldSelector: 'metadata.name=typed' });
    expect(items.map(({ metadata }) => metadata?.name)).toEqual(['typed']);

    const output = new PassThrough();
    const status = new Promise((resolve) => {
      const discard = new Writable({ write: (_chunk, _encoding, done) => done() });
      new k8s.Exec(kubeconfig).exec(
        'default',
        'typed',
        'c',
        ['sh', '-c', 'echo hi; exit 3'],
        output,
        discard,
        null,
        false,
        resolve,
      );
    });
    expect(await status).toMatchObject({ reason: 'NonZeroExitCode' });
    expect(String(output.read())).toBe('hi\n');

    const received = new PassThrough();
    const sent = new PassThrough();
    const socket = (await new k8s.PortForward(kubeconfig).portForward(
      'default',
      'typed',
      [webPort],
      received,
      null,
      sent,
    )) as { close(): void };
    sent.write('GET /typed HTTP/1.0\r\n\r\n');
    let answer = '';
    received.on('data', (chunk) => {
      answer += chunk;
    });
    await expect.poll(() => answer).toContain('hello /typed');
    socket.close();
  });

  it('gets a forbidden and a missing object as errors it understands', async () => {
    const api = config().makeApiClient(k8s.CoreV1Api);
    await expect(api.readNamespacedPod({ namespace: 'default', name: 'nope' })).rejects.toMatchObject({ code: 404 });
  });
});

const kubectlVersion = spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' }).stdout?.split('\n')[0];
const describeKubectl = kubectlVersion ? describe : describe.skip;
if (!kubectlVersion) console.info('kubectl is not installed: its tests are skipped');

describeKubectl(`kubectl (${kubectlVersion})`, () => {
  const environment = (extra: Record<string, string> = {}) => ({
    ...process.env,
    KUBECONFIG: join(folder, 'config'),
    HOME: folder,
    ...extra,
  });
  const kubectl = async (args: string[], extra?: Record<string, string>): Promise<string> => {
    const { stdout, stderr } = await promisify(execFile)('kubectl', args, { env: environment(extra), timeout: 15_000 });
    return stdout + stderr;
  };
  const manifest = (text: string): string => {
    const file = join(folder, 'manifest.yaml');
    writeFileSync(file, text);
    return file;
  };

  it('applies a manifest, sees it roll out, and applies a change', async () => {
    expect(await kubectl(['apply', '-f', manifest(MANIFEST)])).toContain('deployment.apps/web created');
    expect(await kubectl(['rollout', 'status', 'deploy/web', '--timeout=10s'])).toContain('successfully rolled out');
    expect(await kubectl(['apply', '-f', manifest(MANIFEST)])).toContain('deployment.apps/web unchanged');
    expect(await kubectl(['apply', '-f', manifest(MANIFEST.replace('node:1', 'node:2'))])).toContain(
      'deployment.apps/web configured',
    );
    expect(await kubectl(['rollout', 'status', 'deploy/web', '--timeout=10s'])).toContain('successfully rolled out');
    expect(await kubectl(['apply', '--server-side', '--force-conflicts', '-f', manifest(MANIFEST)])).toContain(
      'serverside-applied',
    );
    expect(await kubectl(['rollout', 'undo', 'deploy/web'])).toContain('rolled back');
    expect(await kubectl(['scale', 'deploy/web', '--replicas=1'])).toContain('scaled');
    expect(await kubectl(['wait', '--for=condition=Available', 'deploy/web', '--timeout=10s'])).toContain(
      'condition met',
    );
  });

  it('prints the columns people know, and describes', async () => {
    const wide = await kubectl(['get', 'deploy,rs', '-o', 'wide']);
    expect(wide).toMatch(/NAME\s+READY\s+UP-TO-DATE\s+AVAILABLE\s+AGE\s+CONTAINERS\s+IMAGES\s+SELECTOR/);
    expect(await kubectl(['get', 'pods', '-o', 'wide'])).toMatch(
      /NAME\s+READY\s+STATUS\s+RESTARTS\s+AGE\s+IP\s+NODE\s+NOMINATED NODE/,
    );
    expect(await kubectl(['describe', 'deploy', 'web'])).toMatch(
      /ScalingReplicaSet.*deployment-controller\s+Scaled up/,
    );
    expect(await kubectl(['get', 'all'])).toContain('replicaset.apps/web-');
  });

  it.each([
    ['WebSocket', 'true'],
    ['SPDY', 'false'],
  ])('executes over %s', async (_name, isWebSocket) => {
    const extra = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: isWebSocket };
    const failure = await kubectl(['exec', 'deploy/web', '--', 'sh', '-c', 'echo out; exit 7'], extra).catch(
      (error) => error,
    );
    expect(failure).toMatchObject({ code: 7, stdout: 'out\n' });
    const child = spawn('kubectl', ['exec', '-i', 'deploy/web', '--', 'cat'], { env: environment(extra) });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    child.stdin.end('through stdin');
    const [code] = await once(child, 'close');
    expect({ code, text }).toEqual({ code: 0, text: 'through stdin' });
  });

  it.each([
    ['WebSocket', 'true'],
    ['SPDY', 'false'],
  ])('forwards a port over %s', async (_name, isWebSocket) => {
    const env = environment({ KUBECTL_PORT_FORWARD_WEBSOCKETS: isWebSocket });
    const child = spawn('kubectl', ['port-forward', 'deploy/web', `:${webPort}`], { env });
    const [line] = await once(child.stdout, 'data');
    const [, port] = /127\.0\.0\.1:(\d+)/.exec(String(line))!;
    const answers = await Promise.all(
      ['/a', '/b'].map(async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()),
    );
    expect(answers).toEqual(['hello /a', 'hello /b']);
    child.kill();
    await once(child, 'close');
  });

  it('reads logs, asks what it may do, and deletes', async () => {
    expect(await kubectl(['logs', '-f', 'deploy/web'])).toContain('c 0\nc 1\n');
    expect(await kubectl(['auth', 'can-i', 'create', 'pods'])).toContain('yes');
    expect(await kubectl(['run', 'one', '--image=i', '--restart=Never'])).toContain('pod/one created');
    expect(await kubectl(['wait', '--for=condition=Ready', 'pod/one', '--timeout=10s'])).toContain('condition met');
    expect(await kubectl(['delete', 'pod', 'one', '--timeout=10s'])).toContain('deleted');
    expect(await kubectl(['delete', 'deploy', 'web', '--timeout=10s'])).toContain('deleted');
    await expect.poll(() => cluster.store.list('replicasets')).toEqual([]);
  });
});
