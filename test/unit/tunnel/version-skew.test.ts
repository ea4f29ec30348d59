import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { FrameDecoder } from '../../../src/protocol/decoder';
import { FrameType } from '../../../src/protocol/frame';
import { decodeGoaway, GoawayCode } from '../../../src/protocol/goaway';
import { encodeHello, ownHello } from '../../../src/protocol/hello';
import { dialSocket } from '../../../src/tunnel/transports/socket';
import * as own from '../../../src/tunnel/tunnel';
import { eventually } from '../../support/eventually';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const TOKEN = 'a'.repeat(64);
let folder: string;
const running: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mirrord-skew-'));
  await Promise.all([
    bundle('src/agent/main.ts', 'agent-1-2', '1.1.0', { oldest: 1, protocol: 2 }),
    bundle('src/agent/main.ts', 'agent-2-3', '2.0.0', { oldest: 2, protocol: 3 }),
    bundle('src/agent/main.ts', 'agent-1-1', '1.0.0', { oldest: 1, protocol: 1 }),
    bundle('src/tunnel/tunnel.ts', 'client-2-2', '2.0.0', { oldest: 2, protocol: 2 }),
  ]);
});
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One half of the program as another version of it would be: with numbers of its own. */
async function bundle(entry: string, name: string, version: string, spoken: { oldest: number; protocol: number }) {
  await build({
    entryPoints: [join(root, entry)],
    outfile: join(folder, `${name}.cjs`),
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
    define: { __MIRRORD_VERSION__: JSON.stringify(version) },
    external: ['cbor-extract'],
    plugins: [
      {
        name: 'other-version',
        setup({ onLoad }) {
          onLoad({ filter: /protocol\/version\.ts$/ }, ({ path }) => {
            const contents = readFileSync(path, 'utf8')
              .replace(/PROTOCOL_VERSION = \d+/, `PROTOCOL_VERSION = ${spoken.protocol}`)
              .replace(/OLDEST_PROTOCOL = \d+/, `OLDEST_PROTOCOL = ${spoken.oldest}`);
            return { contents, loader: 'ts' };
          });
        },
      },
    ],
  });
}

async function startAgent(name: string): Promise<{ port: number; log(): string }> {
  const child = spawn(process.execPath, [join(folder, `${name}.cjs`), '--port', '0', 'targetless'], {
    env: { PATH: process.env.PATH, MIRRORD_AGENT_TOKEN: TOKEN },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += chunk;
  });
  const port = await eventually('the agent to listen', async () => /listening on 127\.0\.0\.1:(\d+)/.exec(log)?.[1]);
  return { port: Number(port), log: () => log };
}

const greet = ({ connectTunnel }: Pick<typeof own, 'connectTunnel'>, port: number) =>
  connectTunnel({ dial: dialSocket({ port }), token: TOKEN, clientName: 'skew' });

it('a newer agent that still speaks the version of the client serves it in that version', async () => {
  const { port } = await startAgent('agent-1-2');
  const link = await greet(own, port);
  expect((await link.call('info', {})).result).toMatchObject({ agentVersion: '1.1.0', targeted: false });
  await link.close();
});

it('a newer agent that does not is refused by the client, and refuses it, both with both versions', async () => {
  const { port, log } = await startAgent('agent-2-3');
  const error = await greet(own, port).catch((reason) => reason);
  expect(error).toMatchObject({
    code: 'PROTOCOL_MISMATCH',
    message: 'this mirrord (0.0.0-dev) speaks protocol 1, the agent (2.0.0) 2 to 3',
    hint: expect.stringContaining('agent.image'),
  });
  const said = 'the agent (2.0.0) speaks protocol 2 to 3, the client (0.0.0-dev) 1';
  await eventually('the agent to say it in its log', async () => log().includes(said));
  expect(log()).toContain('agent.image');

  // What a client is told that understands nothing of the agent's HELLO.
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const hello = { ...ownHello(), received: 0, token: TOKEN, clientName: 'skew', clientVersion: '0.0.0-dev' };
  for (const chunk of encodeHello(hello)) socket.write(chunk);
  const decoder = new FrameDecoder();
  decoder.push(Buffer.concat(await socket.toArray()));
  expect(decoder.next()).toMatchObject({ type: FrameType.HELLO });
  const { type, payload } = decoder.next()!;
  expect(type).toBe(FrameType.GOAWAY);
  expect(decodeGoaway(payload)).toMatchObject({ code: GoawayCode.VERSION, text: said });
});

it('an older agent that a client does not understand is refused likewise', async () => {
  const { port, log } = await startAgent('agent-1-1');
  const newer = createRequire(import.meta.url)(join(folder, 'client-2-2.cjs')) as typeof own;
  const error = await greet(newer, port).catch((reason) => reason);
  expect(error).toMatchObject({
    code: 'PROTOCOL_MISMATCH',
    message: 'this mirrord (2.0.0) speaks protocol 2, the agent (1.0.0) 1',
  });
  await eventually('the agent to say it in its log', async () =>
    log().includes('the agent (1.0.0) speaks protocol 1, the client (2.0.0) 2'),
  );
});
