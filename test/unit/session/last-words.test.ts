import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentThread, startAgentThread } from '../../support/bridge/agent-thread';
import { type Bundles, buildBundles } from '../../support/bridge/bundles';
import { runNode } from '../../support/bridge/run-node';

const TOTAL = 50 * 1024 * 1024;

let bundles: Bundles;
let agent: AgentThread;
let folder: string;
let server: Server;
/** What became of the connections, in order. */
const heard: Promise<{ bytes: number; end: string }>[] = [];

/** A server that lets its clients wait before it reads: most of what they wrote is in the system when they exit. */
function listen(socket: Socket): void {
  let bytes = 0;
  socket.pause();
  setTimeout(() => socket.resume(), 1_500);
  socket.on('data', (chunk) => (bytes += chunk.length));
  const told = (resolve: (value: { bytes: number; end: string }) => void) => {
    socket.on('end', () => resolve({ bytes, end: 'FIN' }));
    socket.on('error', ({ message }) => resolve({ bytes, end: message }));
  };
  heard.push(new Promise(told));
}

beforeAll(async () => {
  bundles = await buildBundles();
  agent = await startAgentThread(bundles.agent);
  folder = mkdtempSync(join(tmpdir(), 'mirrord-words-'));
  server = createServer(listen);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.close();
  await agent?.close();
  bundles?.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** The scripted agent connects to this host, whatever address was asked for. */
const ways = { plain: '127.0.0.1', 'through the tunnel': '203.0.113.7' };

async function run(way: keyof typeof ways, body: string) {
  const file = join(folder, 'app.cjs');
  const { port } = server.address() as AddressInfo;
  writeFileSync(
    file,
    `const socket = require('node:net').connect({ host: '${ways[way]}', port: ${port}, noDelay: true });
     const data = Buffer.alloc(${TOTAL}, 1);
     const say = () => console.log(data.length - socket._handle.writeQueueSize);
     socket.on('connect', () => { ${body} });`,
  );
  const patched = way === 'plain' ? [] : ['-r', bundles.register];
  const env = { TEST_AGENT_PORT: String(agent.port), MIRRORD_PROGRESS: 'off', TMPDIR: folder };
  const { stdout, stderr, code } = await runNode([...patched, file], env);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  return { taken: Number(stdout), ...(await heard.at(-1)!) };
}

describe.each(Object.keys(ways) as (keyof typeof ways)[])('an app, %s,', (way) => {
  it('that exits at once after a large write delivers what the system has taken, and a FIN', async () => {
    const { taken, bytes, end } = await run(way, 'socket.write(data); say(); process.exit()');
    expect(taken).toBeGreaterThan(64 * 1024);
    expect(taken).toBeLessThan(TOTAL);
    expect({ bytes, end }).toEqual({ bytes: taken, end: 'FIN' });
  }, 60_000);

  it('that exits a while after it began to write does so too', async () => {
    const { taken, bytes, end } = await run(
      way,
      'socket.write(data); setTimeout(() => { say(); process.exit() }, 1000)',
    );
    expect({ bytes, end }).toEqual({ bytes: taken, end: 'FIN' });
  }, 60_000);

  it('that destroys its socket as soon as all is written loses nothing', async () => {
    const { bytes, end } = await run(way, 'console.log(0); socket.write(data, () => socket.destroy())');
    expect({ bytes, end }).toEqual({ bytes: TOTAL, end: 'FIN' });
  }, 60_000);

  it('that ends by itself loses nothing', async () => {
    const { bytes, end } = await run(way, 'console.log(0); socket.end(data)');
    expect({ bytes, end }).toEqual({ bytes: TOTAL, end: 'FIN' });
  }, 60_000);
});
