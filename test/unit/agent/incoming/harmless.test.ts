import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { type Agent, until, whyNot } from '../pod-node';
import { ask } from './ask';
import { deliverTo, httpServer } from './developer';
import { type IncomingWorld, POD_IP, startIncomingWorld } from './world';

const reason = whyNot();

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

/** The processes of an agent that holds rules: who redirects, and who keeps what is redirected. */
function processesOf(agent: Agent) {
  const supervisor = agent.pid();
  const worker = childrenOf(supervisor)[0]!;
  const [rules, keeper] = childrenOf(worker).filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'nft\n');
  return { supervisor, worker, rules: rules!, keeper: keeper! };
}

/** Callers that never stop, each on a fresh connection, whatever became of those before. Keeps what each was told. */
const startLoad = ({ args, kept, require }: any): void => {
  const http = require('node:http');
  kept.answers = [];
  const ask = () => {
    const began = Date.now();
    const done = (what: string) => kept.answers.push({ what, began, at: Date.now() });
    const request = http.get({ ...args, agent: false }, (response: any) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk));
      response.on('end', () => done(text));
      response.on('error', (error: any) => done(error.code));
    });
    request.on('error', (error: any) => done(error.code));
  };
  kept.load = setInterval(ask, 5);
};

const readLoad = ({ kept }: any): { what: string; began: number; at: number }[] => kept.answers;
const stopLoad = ({ kept }: any): void => clearInterval(kept.load);

describe.skipIf(reason)('whatever is killed under load', () => {
  let world: IncomingWorld | undefined;
  afterEach(() => world?.close());

  it.each(['worker', 'supervisor', 'both', 'rules', 'rules and keeper'])(
    '%s: the pod answers within a second, and no rule is left',
    async (victim) => {
      world = await startIncomingWorld();
      await world.pod.run(({ require }: any) => {
        const server = require('node:http').createServer((_request: any, response: any) => response.end('pod'));
        return new Promise<void>((resolve) => server.listen(8080, () => resolve()));
      });
      const client = await world.connect();
      deliverTo(client, await httpServer((_request, response) => response.end('developer')));
      await client.subscribe({ port: 8080 });
      await world.caller.run(startLoad, { host: POD_IP, port: 8080 });
      const { caller } = world;
      for (;;) {
        const seen = await caller.run(readLoad);
        if (seen.filter(({ what }) => what === 'developer').length > 20) break;
      }
      const { supervisor, worker, rules, keeper } = processesOf(world.agent);
      const victims = {
        worker: [worker],
        supervisor: [supervisor],
        both: [supervisor, worker],
        rules: [rules],
        'rules and keeper': [keeper, rules],
      };
      const killedAt = Date.now();
      for (const pid of victims[victim as 'both']) process.kill(pid, 'SIGKILL');
      await until('the rules to be gone', () => !world!.rules().includes('mirrord'));
      const goneAt = Date.now();
      const served = await untilServed(caller, goneAt);
      await caller.run(stopLoad);
      // Whoever connected after the rules had gone is served by the pod, all of them.
      const later = (await caller.run(readLoad)).filter(({ began }) => began > goneAt);
      expect(new Set(later.map(({ what }) => what))).toEqual(new Set(['pod']));
      console.log(
        `${victim} killed: rules gone after ${goneAt - killedAt} ms, pod answers after ${served - killedAt} ms`,
      );
      if (victim.startsWith('rules')) {
        await until('the client to hear of it', () => client.ended[0]);
        expect(client.ended[0]!.reason).toContain('SIGKILL');
        await client.subscribe({ port: 8080 });
        expect(world.rules()).toContain('mirrord');
      }
      void client.link.close();
    },
    30_000,
  );

  it.each(['rules', 'keeper'] as const)('%s: a request that waits is answered, by who has it', async (victim) => {
    world = await startIncomingWorld();
    await world.pod.run(({ require }: any) => {
      const server = require('node:http').createServer((_request: any, response: any) => response.end('pod'));
      return new Promise<void>((resolve) => server.listen(8080, () => resolve()));
    });
    const client = await world.connect();
    const waiting: ServerResponse[] = [];
    deliverTo(
      client,
      await httpServer((request, response) => {
        if (request.url === '/wait') waiting.push(response);
        else response.end('developer');
      }),
    );
    await client.subscribe({ port: 8080 });
    const to = { host: POD_IP, port: 8080 };
    const waits = world.caller.run(ask, { ...to, path: '/wait' });
    const inside = world.pod.run(ask, { ...to, host: '127.0.0.1', path: '/wait' });
    await until('the requests to wait', () => waiting.length === 2);
    process.kill(processesOf(world.agent)[victim], 'SIGKILL');
    if (victim === 'rules') await until('the client to hear of it', () => client.ended[0]);
    else await until('the keeper to be back', () => processesOf(world!.agent).keeper !== undefined);
    expect(await world.caller.run(ask, to)).toBe(victim === 'rules' ? '200 pod' : '200 developer');
    for (const response of waiting) response.end('late');
    expect(await waits).toBe('200 late');
    expect(await inside).toBe('200 late');
    void client.link.close();
    await until('the rules to be gone', () => !world!.rules().includes('mirrord'));
  });

  it('the end of the agent and of a session takes the rules away', async () => {
    world = await startIncomingWorld();
    const first = await world.connect();
    await first.subscribe({ port: 8080 });
    await first.subscribe({ port: 8081, mode: 'mirror' });
    expect(world.rules()).toContain('dport 8081');
    await first.link.close();
    await until('the rules of the session to be gone', () => !world!.rules().includes('mirrord'));
    const second = await world.connect();
    await second.subscribe({ port: 8080 });
    process.kill(world.agent.pid(), 'SIGTERM');
    expect(await world.agent.exited).toBe(0);
    await until('the rules of the agent to be gone', () => !world!.rules().includes('mirrord'));
  });
});

/** When somebody who connected after that time was answered. */
async function untilServed(caller: IncomingWorld['caller'], after: number): Promise<number> {
  for (;;) {
    const found = (await caller.run(readLoad)).filter(({ began }) => began > after);
    if (found.length > 20) return found[0]!.at;
  }
}
