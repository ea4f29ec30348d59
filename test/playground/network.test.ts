import { createHash } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { KubeConfig, PortForward } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, until } from './support/cluster';

let cluster: Cluster;

const server = (text: string) =>
  `exec node -e "require('http').createServer((q,s)=>s.end('${text} '+q.socket.remoteAddress)).listen(8080)"`;
const probe = {
  readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
  ports: [{ name: 'web', containerPort: 8080 }],
};

const service = (name: string, selector: any, more: any = {}) =>
  cluster.create('services', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { selector, ports: [{ name: 'http', port: 80, targetPort: 'web' }], ...more },
  });

beforeAll(async () => {
  cluster = await Cluster.start();
  await Promise.all([
    cluster.runPod('one', server('one'), { labels: { app: 'web' }, container: probe }),
    cluster.runPod('two', server('two'), {
      labels: { app: 'web' },
      container: probe,
      spec: { hostname: 'second', subdomain: 'peers' },
    }),
    cluster.runPod('client', 'sleep 1000'),
    service('web', { app: 'web' }),
    service('peers', { app: 'web' }, { clusterIP: 'None' }),
    service('empty', { app: 'nobody' }),
    cluster.create('services', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'alias' },
      spec: { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' },
    }),
  ]);
  await Promise.all(['one', 'two', 'client'].map((name) => cluster.waitReady(name)));
  await until(async () => {
    const { json } = await cluster.call('GET', '/api/v1/namespaces/default/endpoints/web');
    return json?.subsets?.[0]?.addresses?.length === 2 ? true : undefined;
  }, 'both endpoints');
}, 60_000);

afterAll(() => cluster?.stop());

const sh = async (pod: string, script: string) => (await cluster.exec(pod, ['bash', '-c', script])).stdout.trim();
const js = (script: string) => sh('client', `node -e '${script}'`);

describe('the network of the playground', () => {
  it('lets pods reach the API server with the credentials of their service account', async () => {
    const script = `
      const fs = require("node:fs"), folder = "/var/run/secrets/kubernetes.io/serviceaccount/";
      const options = {
        host: "kubernetes.default.svc", path: "/api/v1/namespaces/default/pods/client",
        ca: fs.readFileSync(folder + "ca.crt"),
        headers: { authorization: "Bearer " + fs.readFileSync(folder + "token", "utf8") },
      };
      require("node:https").get(options, (answer) => {
        let text = "";
        answer.on("data", (chunk) => text += chunk).on("end", () => console.log(JSON.parse(text).metadata.name));
      })`;
    expect(await js(script)).toBe('client');
  });

  it('resolves services by short and full name with the system resolver', async () => {
    const { json } = await cluster.call('GET', '/api/v1/namespaces/default/services/web');
    const address = json.spec.clusterIP;
    expect(await sh('client', 'getent hosts web | cut -d" " -f1')).toBe(address);
    expect(await sh('client', 'getent hosts web.default.svc.cluster.local | cut -d" " -f1')).toBe(address);
    expect(await sh('client', 'getent hosts alias | cut -d" " -f1')).toBe(address);
  });

  it('answers A, AAAA, SRV, PTR, headless and pod names as a cluster does', async () => {
    const answers = JSON.parse(
      await js(`
        const dns = require("dns").promises;
        const ask = (f) => f.then((v) => v, (e) => e.code);
        const d = ".default.svc.cluster.local";
        Promise.all([
          ask(dns.resolve4("web" + d)), ask(dns.resolve6("web" + d)), ask(dns.resolve4("nope" + d)), ask(dns.resolve4("example.com")),
          ask(dns.resolveSrv("_http._tcp.web" + d)), ask(dns.resolve4("peers" + d)), ask(dns.resolve4("second.peers" + d)), ask(dns.resolveSrv("_http._tcp.peers" + d)),
        ]).then(async (r) => {
          r.push(await ask(dns.reverse(r[0][0])), await ask(dns.resolve4(r[6][0].replaceAll(".", "-") + ".default.pod.cluster.local")));
          console.log(JSON.stringify(r));
        })`),
    );
    const [a, aaaa, nope, outside, srv, peers, second, peerSrv, reverse, pod] = answers;
    expect(a).toHaveLength(1);
    expect(aaaa).toBe('ENODATA');
    expect(nope).toBe('ENOTFOUND');
    expect(outside).toBe('ENOTFOUND');
    expect(srv).toEqual([{ name: 'web.default.svc.cluster.local', port: 80, priority: 0, weight: 100 }]);
    const addresses = await Promise.all(['one', 'two'].map(async (name) => (await cluster.pod(name)).status.podIP));
    expect(peers.sort()).toEqual(addresses.sort());
    expect(second).toEqual([(await cluster.pod('two')).status.podIP]);
    expect(peerSrv.map((one: any) => one.port)).toEqual([8080, 8080]);
    expect(peerSrv.map((one: any) => one.name)).toContain('second.peers.default.svc.cluster.local');
    expect(reverse).toEqual(['web.default.svc.cluster.local']);
    expect(pod).toEqual(second);
  });

  it('spreads connections to a ClusterIP over the ready pods and keeps the client’s address', async () => {
    const text = await sh('client', 'for i in $(seq 24); do curl -s -m 3 http://web/; echo; done');
    const lines = text.split('\n');
    const client = (await cluster.pod('client')).status.podIP;
    expect(new Set(lines)).toEqual(new Set([`one ::ffff:${client}`, `two ::ffff:${client}`]));
  });

  it('lets a pod reach itself through its own service', async () => {
    const text = await sh('one', 'for i in $(seq 12); do curl -s -m 3 http://web/ | cut -d" " -f1; done | sort -u');
    expect(text).toBe('one\ntwo');
  });

  it('refuses connections to a service without endpoints and to ports a service does not have', async () => {
    const code = (url: string) => js(`fetch("${url}").catch((e) => console.log(e.cause.code))`);
    expect(await code('http://empty/')).toBe('ECONNREFUSED');
    expect(await code('http://web:81/')).toBe('ECONNREFUSED');
  });

  it('takes an unready pod out of the service', async () => {
    await cluster.call('DELETE', '/api/v1/namespaces/default/pods/two');
    await until(async () => {
      const text = await sh(
        'client',
        'for i in 1 2 3 4 5 6; do curl -s -m 1 http://web/ | cut -d" " -f1; done | sort -u',
      );
      return text === 'one' ? true : undefined;
    }, 'only one backend');
  });

  it('forwards a port to 127.0.0.1 of the pod, with 8 MiB each way unharmed', async () => {
    await cluster.runPod('echo', `exec node -e "require('net').createServer(s=>s.pipe(s)).listen(7000,'127.0.0.1')"`, {
      container: {
        readinessProbe: { exec: { command: ['bash', '-c', ': > /dev/tcp/127.0.0.1/7000'] }, periodSeconds: 1 },
      },
    });
    await cluster.waitReady('echo');
    const config = new KubeConfig();
    config.loadFromString(cluster.playground.kubeconfig);
    const forward = new PortForward(config);
    const listener = createServer(
      (socket) => void forward.portForward('default', 'echo', [7000], socket, null, socket),
    );
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const sent = Buffer.alloc(8 << 20, 'mirrord playground ');
    const received = createHash('sha256');
    let length = 0;
    const socket = connect((listener.address() as any).port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        received.update(chunk);
        length += chunk.length;
        if (length === sent.length) resolve();
      });
      socket.write(sent);
    });
    socket.destroy();
    listener.close();
    expect(received.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'));
  });
});
