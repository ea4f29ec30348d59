import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { beforeEach, describe, expect, it } from 'vitest';
import { dialPortForward } from '../../../src/kube/dial-port-forward';
import { chooseProxy } from '../../../src/kube/proxy';
import { ScriptedApi } from '../../support/scripted-api';

import { api, atEnd, failure, get, open } from './opened-cluster';

describe('the way to the server', () => {
  it('is refused when nobody listens, with address and server', async () => {
    const kubeconfig = api.writeKubeconfig({ server: 'https://127.0.0.1:1' });
    const error = await failure(async () => get(await open(kubeconfig)));
    expect(error.code).toBe('CLUSTER_UNREACHABLE');
    expect(error.message).toMatch(/https:\/\/127\.0\.0\.1:1 .*ECONNREFUSED/);
  });

  it('is not found when the name does not resolve', async () => {
    const error = await failure(() => open(api.writeKubeconfig({ server: 'https://no-such-host.invalid:6443' })));
    expect(error).toMatchObject({
      code: 'CLUSTER_UNREACHABLE',
      message: expect.stringContaining('no-such-host.invalid'),
    });
  });

  it('checks the certificate, unless told not to', async () => {
    const other = await ScriptedApi.start();
    atEnd(() => other.stop());
    const wrong = api.writeKubeconfig({
      cluster: { 'certificate-authority-data': Buffer.from(other.ca).toString('base64') },
    });
    const error = await failure(async () => get(await open(wrong)));
    expect(error.code).toBe('CLUSTER_CERTIFICATE');
    expect((await get(await open(wrong, {}, { acceptInvalidCertificates: true }))).statusCode).toBe(200);
    const skip = api.writeKubeconfig({
      cluster: { 'certificate-authority-data': undefined, 'insecure-skip-tls-verify': true },
    });
    expect((await get(await open(skip))).statusCode).toBe(200);
  });

  it('checks the name of tls-server-name', async () => {
    const named = (name: string) => api.writeKubeconfig({ cluster: { 'tls-server-name': name } });
    expect((await get(await open(named('api.example.test')))).statusCode).toBe(200);
    expect((await failure(async () => get(await open(named('other.test'))))).code).toBe('CLUSTER_CERTIFICATE');
  });

  describe('through a proxy', () => {
    let proxy: Server;
    let asked: { url: string; auth: string | undefined }[];
    let proxyUrl: string;
    beforeEach(async () => {
      asked = [];
      proxy = createServer();
      proxy.on('connect', (request, socket, head) => {
        asked.push({ url: request.url ?? '', auth: request.headers['proxy-authorization'] });
        if (request.headers['proxy-authorization'] === undefined) {
          socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
          return;
        }
        const upstream = connect(api.port, '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n');
          if (head.length) upstream.write(head);
          socket.pipe(upstream).pipe(socket);
        });
        upstream.on('error', () => socket.destroy());
        socket.on('error', () => upstream.destroy());
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      proxyUrl = `http://me:pa%20ss@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      atEnd(() => proxy.close());
    });

    it("of the kubeconfig go requests and port-forwards, and the server name is the proxy's to resolve", async () => {
      const server = 'https://api.example.test:6443';
      const cluster = await open(api.writeKubeconfig({ server, cluster: { 'proxy-url': proxyUrl } }));
      expect((await get(cluster)).statusCode).toBe(200);
      cluster.agent.destroy();
      const transport = await dialPortForward(cluster, { namespace: 'd', pod: 'p', port: 1 });
      transport.destroy();
      expect(asked).toEqual([
        { url: 'api.example.test:6443', auth: `Basic ${Buffer.from('me:pa ss').toString('base64')}` },
        { url: 'api.example.test:6443', auth: `Basic ${Buffer.from('me:pa ss').toString('base64')}` },
      ]);
    });

    it('of the environment too, unless NO_PROXY names the host', async () => {
      const kubeconfig = api.writeKubeconfig({ server: 'https://api.example.test:6443' });
      expect((await get(await open(kubeconfig, { HTTPS_PROXY: proxyUrl }))).statusCode).toBe(200);
      expect(asked).toHaveLength(1);
      const direct = await failure(() => open(kubeconfig, { HTTPS_PROXY: proxyUrl, NO_PROXY: '.example.test' }));
      expect(direct.code).toBe('CLUSTER_UNREACHABLE');
      expect(asked).toHaveLength(1);
    });

    it('that refuses is told apart from the server', async () => {
      const bare = proxyUrl.replace('me:pa%20ss@', '');
      const kubeconfig = api.writeKubeconfig({
        server: 'https://api.example.test:6443',
        cluster: { 'proxy-url': bare },
      });
      expect((await failure(async () => get(await open(kubeconfig)))).code).toBe('KUBE_PROXY_REFUSED');
    });
  });

  it.each([
    ['https://k.example:6443', 'k.example', true],
    ['https://a.k.example:6443', '.k.example', true],
    ['https://a.k.example:6443', 'k.example:443', false],
    ['https://a.k.example:443', 'k.example:443', true],
    ['https://xk.example', 'k.example', false],
    ['https://10.1.2.3', '10.0.0.0/8', true],
    ['https://11.1.2.3', '10.0.0.0/8', false],
    ['https://11.1.2.3', '10.0.0.0/33', false],
    ['https://[fd00:1::7]:6443', 'fd00::/8', true],
    ['https://[fe00::7]:6443', 'fd00::/8', false],
    ['https://[fd00::7]:6443', '10.0.0.0/8', false],
    ['https://k.example:6443', 'other,k.example', true],
    ['https://k.example:6443', 'other k.example', true],
    ['https://anything', '*', true],
    ['https://127.0.0.1:6443', '', true],
    ['https://localhost:6443', '', true],
  ])('%s with NO_PROXY=%s is direct: %s', (server, list, direct) => {
    const proxy = chooseProxy(new URL(server), undefined, { HTTPS_PROXY: 'proxy:3128', NO_PROXY: list });
    expect(proxy === undefined).toBe(direct);
  });

  it('refuses a SOCKS proxy with a clear error', () => {
    expect(() => chooseProxy(new URL('https://k'), 'ftp://p:1', {})).toThrow(/proxy-url.*not an http/);
  });
});
