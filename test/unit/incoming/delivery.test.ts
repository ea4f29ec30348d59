import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { expect, it } from 'vitest';
import { CLIENT, POD } from '../../support/bridge/scripted-incoming';
import { twoPorts, useApps } from './world';

const apps = useApps();

const get = (
  host: string,
  port: number,
  options: http.RequestOptions = {},
): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    http
      .get({ host, port, agent: false, ...options }, async (response) => {
        let body = '';
        for await (const chunk of response) body += chunk;
        resolve({ status: response.statusCode!, body });
      })
      .once('error', reject);
  });

/** The app's port and the pod's differ, as both are on this machine. */
const options = (port: number, podPort: number, mode = 'steal') => ({
  incoming: { mode, portMapping: [[port, podPort]] },
});

const httpApp = (port: number, host = '') => `
  const server = require('node:http').createServer((request, response) => {
    const { remoteAddress, remotePort, remoteFamily, localPort } = request.socket;
    response.end(JSON.stringify({ remoteAddress, remotePort, remoteFamily, localPort }));
  });
  server.listen(${port}${host && `, ${JSON.stringify(host)}`}, () => say({ address: server.address() }));`;

it('delivers what connects to the pod to the server of the app, under the name of the real client', async () => {
  const [port, podPort] = await twoPorts();
  const app = apps.start(httpApp(port), options(port, podPort));
  expect(await app.next()).toEqual({ address: { address: '::', family: 'IPv6', port } });
  expect(JSON.parse((await get(POD, podPort)).body)).toEqual({
    remoteAddress: `::ffff:${CLIENT.address}`,
    remotePort: CLIENT.port,
    remoteFamily: 'IPv6',
    localPort: port,
  });
  // The app's own port is an ordinary port of this machine.
  const own = JSON.parse((await get('127.0.0.1', port)).body);
  expect(own.remoteAddress).toBe('::ffff:127.0.0.1');
  expect(own.remotePort).not.toBe(CLIENT.port);
  expect(app.stderr).toBe('');
});

it.each([
  ['127.0.0.1', CLIENT.address, 'IPv4'],
  ['0.0.0.0', CLIENT.address, 'IPv4'],
  ['::1', `::ffff:${CLIENT.address}`, 'IPv6'],
])('finds a server that listens on %s', async (host, remoteAddress, remoteFamily) => {
  const [port, podPort] = await twoPorts();
  const app = apps.start(httpApp(port, host), options(port, podPort));
  await app.next();
  expect(JSON.parse((await get(POD, podPort)).body)).toMatchObject({
    remoteAddress,
    remoteFamily,
    remotePort: CLIENT.port,
  });
});

it('subscribes before the server says that it listens', async () => {
  const [port, podPort] = await twoPorts();
  const app = apps.start(
    `require('node:net').createServer().listen(${port}, () => { say('listening'); process.stdin.on('data', () => {}); });`,
    options(port, podPort),
  );
  await app.next();
  expect((await apps.agent.subscriptions()).at(-1)).toMatchObject({ port: podPort, mode: 'steal', keepProbes: true });
});

it('passes on half-close and reset, both ways', async () => {
  const [port, podPort] = await twoPorts();
  const app = apps.start(
    `
    require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
        if (text === 'reset me') socket.resetAndDestroy();
      });
      socket.on('error', (error) => say({ error: error.code }));
      socket.on('end', () => socket.end('heard ' + text));
    }).listen(${port}, () => say('listening'));`,
    options(port, podPort),
  );
  await app.next();

  const whole = net.connect({ host: POD, port: podPort, allowHalfOpen: true });
  whole.end('all of it');
  let answer = '';
  for await (const chunk of whole) answer += chunk;
  expect(answer).toBe('heard all of it');

  const cut = net.connect(podPort, POD);
  cut.write('reset me');
  const [error] = await once(cut, 'error');
  expect(error.code).toBe('ECONNRESET');

  const cutting = net.connect(podPort, POD);
  await once(cutting, 'connect');
  cutting.write('hello');
  // The reset follows the bytes through two programs.
  await new Promise((resolve) => setTimeout(resolve, 200));
  cutting.resetAndDestroy();
  expect(await app.next()).toEqual({ error: 'ECONNRESET' });
});

it('stops new connections when the server is closed and keeps those that are open', async () => {
  const [port, podPort] = await twoPorts();
  const app = apps.start(
    `
    const open = () => {
      const server = require('node:net').createServer((socket) => {
        socket.on('data', (chunk) => socket.write(chunk));
        socket.on('error', () => {});
      });
      server.listen(${port}, () => say('listening'));
      process.stdin.once('data', () => {
        server.close();
        say('closed');
        process.stdin.once('data', open);
      });
    };
    open();`,
    options(port, podPort),
  );
  await app.next();
  const standing = net.connect(podPort, POD);
  await once(standing, 'connect');
  standing.write('one');
  expect(String((await once(standing, 'data'))[0])).toBe('one');
  app.send('close');
  await app.next();
  const late = async () => {
    const socket = net.connect(podPort, POD);
    let text = '';
    socket.on('error', (error: NodeJS.ErrnoException) => (text = error.code!));
    socket.on('data', (chunk) => (text += chunk));
    // Not `once`, which rejects with the error that may come before.
    await new Promise<void>((resolve) => socket.on('close', () => resolve()));
    return text;
  };
  expect(await late()).toMatch(/ECONNREFUSED|ECONNRESET/);
  standing.write('two');
  expect(String((await once(standing, 'data'))[0])).toBe('two');
  app.send('open');
  expect(await app.next()).toBe('listening');
  const again = net.connect(podPort, POD);
  again.write('three');
  expect(String((await once(again, 'data'))[0])).toBe('three');
  for (const socket of [standing, again]) socket.destroy();
});

it('gives the pod’s clients a mirror’s silence: the app gets their bytes, its answers are dropped', async () => {
  const [port, podPort] = await twoPorts();
  const app = apps.start(
    `
    require('node:net').createServer((socket) => {
      socket.write('nobody hears this');
      socket.on('data', (chunk) => { say(String(chunk)); socket.write('x'.repeat(1_000_000)); });
      socket.on('end', () => say('end'));
    }).listen(${port}, () => say('listening'));`,
    options(port, podPort, 'mirror'),
  );
  await app.next();
  const client = net.connect(podPort, POD);
  let heard = '';
  client.on('data', (chunk) => (heard += chunk));
  client.write('hello');
  expect(await app.next()).toBe('hello');
  client.end();
  expect(await app.next()).toBe('end');
  await once(client, 'close');
  expect(heard).toBe('');
});

it('delivers an answer that the app gives as its last deed', async () => {
  const [port, podPort] = await twoPorts();
  const app = apps.start(
    `require('node:http').createServer((request, response) => {
       response.end('bye', () => process.exit(0));
     }).listen(${port}, () => say('listening'));`,
    options(port, podPort),
  );
  await app.next();
  expect(await get(POD, podPort)).toEqual({ status: 200, body: 'bye' });
  expect(await app.ended).toBe(0);
});
