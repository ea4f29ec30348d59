import { once } from 'node:events';
import net from 'node:net';
import { expect, it } from 'vitest';
import { CLIENT, POD, SILENT_PORT, TAKEN_PORT } from '../../support/bridge/scripted-incoming';
import { twoPorts, useApps } from './world';

const apps = useApps();

const server = (listen: string) =>
  `const server = require('node:net').createServer((socket) => socket.end('hello ' + socket.remotePort));
   server.listen(${listen}, () => say(server.address()));`;

async function read(port: number, host: string): Promise<string> {
  const socket = net.connect(port, host);
  let text = '';
  // Within the time of the test, so that it can say where it stood.
  socket.setTimeout(8_000, () => socket.destroy(new Error(`${host}:${port} has not ended after "${text}"`)));
  for await (const chunk of socket) text += chunk;
  return text;
}

const subscribedTo = async () => (await apps.agent.subscriptions()).map(({ port }) => port);

it.each([
  ['port 0', '0', {}],
  ['a port that is ignored', 'PORT', { ignorePorts: ['PORT'] }],
  ['a port that is not among the wanted', 'PORT', { ports: [1] }],
  ['loopback, where that is left alone', "PORT, '127.0.0.1'", { ignoreLocalhost: true }],
  ['anything, where incoming traffic is off', 'PORT', { mode: 'off' }],
])('leaves a server on %s alone', async (_name, listen, incoming) => {
  const [port] = await twoPorts();
  const fill = (text: string) => text.replaceAll('"PORT"', String(port)).replaceAll('PORT', String(port));
  const app = apps.start(server(fill(listen)), {
    incoming: { mode: 'steal', ...JSON.parse(fill(JSON.stringify(incoming))) },
  });
  const address = await app.next();
  expect(await subscribedTo()).not.toContain(address.port);
  expect(await read(address.port, '127.0.0.1')).toMatch(/^hello \d+$/);
  expect(app.stderr).toBe('');
});

it.each([
  ['a handle', 'handle'],
  ['a descriptor', '{ fd: handle.fd }'],
])('takes the traffic for a server on %s that was bound before', async (_name, given) => {
  const [port, podPort] = await twoPorts();
  const app = apps.start(
    `const { TCP, constants } = process.binding('tcp_wrap');
     const handle = new TCP(constants.SERVER);
     handle.bind('127.0.0.1', ${port});
     ${server(given)}`,
    { incoming: { mode: 'steal', portMapping: [[port, podPort]] } },
  );
  expect(await app.next()).toMatchObject({ port });
  expect(await read(podPort, POD)).toBe(`hello ${CLIENT.port}`);
});

it('gives each of several servers its port, and asks nothing for the inspector', async () => {
  const [port, podPort] = await twoPorts();
  const [second, podSecond] = await twoPorts();
  const before = (await subscribedTo()).length;
  const app = apps.start(
    `require('node:inspector').open(0);
     ${server(String(port))}
     require('node:net').createServer((socket) => socket.end('second')).listen(${second}, () => say('second'));`,
    {
      incoming: {
        mode: 'steal',
        portMapping: [
          [port, podPort],
          [second, podSecond],
        ],
      },
    },
  );
  await app.next();
  await app.next();
  expect(await read(podPort, POD)).toBe(`hello ${CLIENT.port}`);
  expect(await read(podSecond, POD)).toBe('second');
  expect((await subscribedTo()).slice(before)).toEqual([podPort, podSecond]);
});

it('subscribes to nothing for Unix sockets', async () => {
  const before = await subscribedTo();
  const app = apps.start(`const path = '${process.cwd()}/node_modules/.t4b-' + process.pid;
    const server = require('node:net').createServer().listen(path, () => { say(server.address()); server.close(); });`);
  await app.next();
  expect(await app.ended).toBe(0);
  expect(await subscribedTo()).toEqual(before);
});

it('opens the port of listen_ports and shows the one that was asked for', async () => {
  const [asked, opened] = await twoPorts();
  const app = apps.start(
    `${server(String(asked))}
     server.once('listening', () => require('node:net').connect(${asked}, '127.0.0.1').on('data', (text) => say(String(text))));`,
    { incoming: { mode: 'steal', listenPorts: [[asked, opened]], portMapping: [[asked, asked]] } },
  );
  const heard = [await app.next(), await app.next()];
  expect(heard).toContainEqual({ address: '::', family: 'IPv6', port: asked });
  // The app reaches itself by the port it knows.
  expect(heard.find((text) => typeof text === 'string')).toMatch(/^hello \d+$/);
  expect(await read(opened, '127.0.0.1')).toMatch(/^hello \d+$/);
  expect(await read(asked, POD)).toBe(`hello ${CLIENT.port}`);
  expect(app.stderr).toContain(`port ${asked} is on port ${opened}`);
});

it.runIf(process.getuid?.() === 0)('opens a privileged port elsewhere when it may not be opened', async () => {
  const [, podPort] = await twoPorts();
  const app = apps.start(`process.setgid(65534); process.setuid(65534); ${server('81')}`, {
    incoming: { mode: 'steal', portMapping: [[81, podPort]] },
  });
  expect(await app.next()).toEqual({ address: '::', family: 'IPv6', port: 81 });
  expect(await read(podPort, POD)).toBe(`hello ${CLIENT.port}`);
  expect(app.stderr).toMatch(/asked for port 81 is on port \d+/);
});

it('keeps Node’s error for a port that is taken', async () => {
  const taken = net.createServer().listen(0);
  await once(taken, 'listening');
  const { port } = taken.address() as net.AddressInfo;
  const app = apps.start(
    `require('node:net').createServer().on('error', ({ code, syscall, port }) => say({ code, syscall, port })).listen(${port});`,
  );
  expect(await app.next()).toEqual({ code: 'EADDRINUSE', syscall: 'listen', port });
  expect(await subscribedTo()).not.toContain(port);
  taken.close();
});

it('says why a port of the pod is not had, and lets the app go on', async () => {
  const [port] = await twoPorts();
  const app = apps.start(server(String(port)), { incoming: { mode: 'steal', portMapping: [[port, TAKEN_PORT]] } });
  expect(await app.next()).toMatchObject({ port });
  expect(await read(port, '127.0.0.1')).toMatch(/^hello/);
  expect(app.stderr).toContain(`mirrord: PORT_STOLEN: port ${TAKEN_PORT} of the pod is not stolen`);
  expect(app.stderr).toContain('by somebody on elsewhere since 12:00');
});

it('ends the app when that is configured', async () => {
  const [port] = await twoPorts();
  const app = apps.start(server(String(port)), {
    incoming: { mode: 'steal', portMapping: [[port, TAKEN_PORT]], onFailure: 'exit' },
  });
  expect(await app.ended).toBe(1);
  expect(app.stderr).toContain('PORT_STOLEN');
});

it('does not wait for ever for an agent that says nothing', { timeout: 40_000 }, async () => {
  const [port] = await twoPorts();
  const app = apps.start(server(String(port)), { incoming: { mode: 'steal', portMapping: [[port, SILENT_PORT]] } });
  const address = await app.next();
  expect(address).toMatchObject({ port });
  expect(app.stderr).toContain('INCOMING_FAILED');
  expect(app.stderr).toContain('within 10 s');
});

it('subscribes once for a cluster, whose workers see the real client', async () => {
  const [port, podPort] = await twoPorts();
  const before = (await subscribedTo()).length;
  const app = apps.start(
    `const cluster = require('node:cluster');
     if (cluster.isPrimary) {
       let up = 0;
       for (let index = 0; index < 2; index++) cluster.fork().on('listening', () => ++up === 2 && say('up'));
       cluster.on('message', (worker, text) => say({ worker: worker.id, text }));
     } else {
       require('node:http').createServer((request, response) => {
         response.end([cluster.worker.id, request.socket.remoteAddress, request.socket.remotePort].join(' '));
       }).listen(${port});
     }`,
    { incoming: { mode: 'steal', portMapping: [[port, podPort]] } },
  );
  expect(await app.next()).toBe('up');
  expect((await subscribedTo()).slice(before)).toEqual([podPort]);
  const answers = await Promise.all(
    Array.from({ length: 6 }, async () =>
      (await fetch(`http://${POD}:${podPort}/`, { headers: { connection: 'close' } })).text(),
    ),
  );
  for (const answer of answers) expect(answer).toMatch(new RegExp(`^[12] ::ffff:${CLIENT.address} ${CLIENT.port}$`));
});

it('subscribes for child processes and threads of the app, each by a session of its own', async () => {
  const [port, podPort] = await twoPorts();
  const [second, podSecond] = await twoPorts();
  const app = apps.start(
    `const body = (port) => \`require('node:net').createServer((socket) => socket.end('hello ' + socket.remotePort)).listen(\${port}, () => console.log('1'))\`;
     require('node:child_process').spawn(process.execPath, ['-e', body(${port})], { stdio: 'inherit' });
     new (require('node:worker_threads').Worker)(body(${second}), { eval: true });`,
    {
      incoming: {
        mode: 'steal',
        portMapping: [
          [port, podPort],
          [second, podSecond],
        ],
      },
    },
  );
  await app.next();
  await app.next();
  expect(await read(podPort, POD)).toBe(`hello ${CLIENT.port}`);
  expect(await read(podSecond, POD)).toBe(`hello ${CLIENT.port}`);
  expect(app.stderr).toBe('');
});
