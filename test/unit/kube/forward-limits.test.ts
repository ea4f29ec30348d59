import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { dialPortForward } from '../../../src/kube/dial-port-forward';
import { connectTunnel } from '../../../src/tunnel/tunnel';
import { AGENT, api, cleanups, dial, forwards, only, open } from './forward-world';

describe.each(['websocket', 'spdy-websocket', 'spdy'] as const)('%s', (form) => {
  it('that stays silent for half a minute is pinged, as long as it is open', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const pings = () => forwards.pings;
      const transport = await dial(await only(form));
      vi.advanceTimersByTime(29_000);
      transport.write('x');
      await once(transport, 'data');
      expect(pings()).toBe(0);
      vi.advanceTimersByTime(1_000);
      await expect.poll(pings, { timeout: 10_000 }).toBe(1);
      vi.advanceTimersByTime(30_000);
      await expect.poll(pings, { timeout: 10_000 }).toBe(2);
      const before = vi.getTimerCount();
      transport.destroy();
      await expect.poll(() => vi.getTimerCount(), { timeout: 10_000 }).toBeLessThan(before);
    } finally {
      vi.useRealTimers();
    }
  });

  it('whose upgrade is never answered is given up in time, with what was waited for', async () => {
    forwards.answers = { [form]: 'ignore' };
    const cluster = await only(form);
    const dialled = (signal?: AbortSignal) => dialPortForward(cluster, AGENT, signal);
    const error = await connectTunnel({ dial: dialled, token: '', clientName: '', connectTimeoutMs: 300 }).catch(
      (reason) => reason,
    );
    expect(error).toMatchObject({
      code: 'LINK_TIMEOUT',
      message: `no connection to the agent within 0.3 s: the API server 127.0.0.1:${api.port} did not answer the upgrade to a port-forward to pod "agent" (${form})`,
    });
    // Nothing of it is left behind.
    await expect.poll(() => api.openConnections).toBe(0);
  });

  it('of a server that takes the connection and says nothing at all is given up likewise', async () => {
    const taken = new Set<Socket>();
    const silent = createServer((socket) => void taken.add(socket.on('error', () => {})));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    cleanups.push(() => {
      for (const socket of taken) socket.destroy();
      silent.close();
    });
    const kubeconfig = api.writeKubeconfig({ server: `https://127.0.0.1:${port}`, name: 'silent' });
    const cluster = await open({ MIRRORD_PORT_FORWARD: form }, kubeconfig);
    const dialled = (signal?: AbortSignal) => dialPortForward(cluster, AGENT, signal);
    await expect(
      connectTunnel({ dial: dialled, token: '', clientName: '', connectTimeoutMs: 300 }),
    ).rejects.toMatchObject({
      code: 'LINK_TIMEOUT',
      message: expect.stringContaining(`127.0.0.1:${port} did not answer`),
    });
  });
});

describe.each(['spdy-websocket', 'spdy'] as const)('%s', (form) => {
  it('stops a pod that sends faster than is read, and lets it go on', async () => {
    const TOTAL = 64 * 1024 * 1024;
    let sent = 0;
    forwards.pod = (data) => {
      const block = Buffer.alloc(64 * 1024, 7);
      const pump = () => {
        while (sent < TOTAL) {
          sent += block.length;
          if (!data.write(block)) return void data.once('drain', pump);
        }
        data.end();
      };
      pump();
    };
    const transport = await dial(await only(form));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(transport.readableLength).toBeLessThanOrEqual(2 * 1024 * 1024);
    // Beside that, what the sockets of both ends hold.
    expect(sent).toBeLessThan(TOTAL / 2);
    let received = 0;
    for await (const chunk of transport) received += chunk.length;
    expect(received).toBe(TOTAL);
  });

  it('can be ended by both sides, one after the other, and then closes as a whole', async () => {
    let heard = '';
    forwards.pod = (data) => {
      data.on('data', (chunk) => {
        heard += chunk;
      });
      data.once('end', () => data.end('bye'));
    };
    const transport = await dial(await only(form));
    transport.end('all of it');
    let told = '';
    for await (const chunk of transport) told += chunk;
    expect([heard, told]).toEqual(['all of it', 'bye']);
    await expect.poll(() => transport.closed).toBe(true);
    expect(transport.errored).toBe(null);
    await expect.poll(() => api.openConnections).toBe(0);
  });
});

describe('the choice', () => {
  it('passes over a form whose upgrade is never answered, and begins with another one from then on', async () => {
    forwards.answers = { websocket: 'ignore' };
    const cluster = await open();
    const told: string[] = [];
    cluster.tell = (text) => told.push(text);
    await dial(cluster);
    await dial(cluster);
    expect(forwards.asked).toEqual(['websocket GET', 'spdy-websocket GET', 'spdy-websocket GET']);
    expect(told).toEqual([
      `port-forward by spdy-websocket, because others were refused (websocket: the API server 127.0.0.1:${api.port} did not answer the upgrade to a port-forward to pod "agent" within 5 s.)`,
    ]);
  });
});
