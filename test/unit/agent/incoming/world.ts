import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { IncomingConnection, IncomingSubscription } from '../../../../src/protocol/contract';
import type { MuxStream } from '../../../../src/protocol/session-types';
import { dialSocket } from '../../../../src/tunnel/transports/socket';
import { connectTunnel, type Tunnel } from '../../../../src/tunnel/tunnel';
import { type Agent, type PodNode, startPodNode, TOKEN } from '../pod-node';

export const POD_IP = '10.98.0.1';
export const CALLER_IP = '10.98.0.2';
export const POD_IP6 = 'fd98::1';
export const CALLER_IP6 = 'fd98::2';

interface Context<A> {
  args: A;
  /** Stays from one call to the next. */
  kept: any;
  require: NodeJS.Require;
}

/** A process inside a network namespace that runs what it is sent. The function sees nothing but its argument. */
export interface Peer {
  pid: number;
  run<T, A>(work: (context: Context<A>) => T | Promise<T>, args?: A): Promise<T>;
  close(): void;
}

function startPeer(command: string[]): Peer {
  const all = [...command, process.execPath, join(import.meta.dirname, 'peer.cjs')];
  const child: ChildProcess = spawn(all[0]!, all.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const waiting = new Map<number, { resolve(value: any): void; reject(error: Error): void }>();
  let next = 0;
  child.on('message', ({ id, value, error }: any) => {
    const entry = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) entry?.resolve(value);
    else entry?.reject(new Error(`in the peer: ${error}`));
  });
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the peer has ended'));
  });
  return {
    pid: child.pid!,
    run: (work, args) =>
      new Promise((resolve, reject) => {
        const id = next++;
        waiting.set(id, { resolve, reject });
        child.send({ id, source: work.toString(), args });
      }),
    close: () => void child.kill('SIGKILL'),
  };
}

/** A pod with an agent beside it, a process in the pod's network, and one outside that reaches the pod over a cable. */
export interface IncomingWorld {
  node: PodNode;
  agent: Agent;
  pod: Peer;
  caller: Peer;
  connect(name?: string): Promise<Client>;
  /** One more agent of the same pod. */
  another(env?: Record<string, string>): Promise<Pick<IncomingWorld, 'agent' | 'connect'>>;
  rules(): string;
  close(): void;
}

/** @param env Of the agent; GROUP is the group it runs with. */
export async function startIncomingWorld(env: Record<string, string> = {}): Promise<IncomingWorld> {
  const node = await startPodNode();
  const inPod = ['nsenter', '--target', String(node.targetPid), '--net', '--'];
  const pod = startPeer(inPod);
  const caller = startPeer(['unshare', '--net', '--']);
  await Promise.all([pod.run(() => 1), caller.run(() => 1)]);
  const sh = (command: string[], script: string) =>
    execFileSync(command[0]!, [...command.slice(1), 'sh', '-ec', script], { stdio: 'pipe' });
  sh(
    inPod,
    `ip link add cable type veth peer name eth0 netns ${caller.pid}; ip link set cable up
    ip addr add ${POD_IP}/24 dev cable; ip addr add ${POD_IP6}/64 dev cable nodad`,
  );
  sh(
    ['nsenter', '--target', String(caller.pid), '--net', '--'],
    `ip link set lo up; ip link set eth0 up
    ip addr add ${CALLER_IP}/24 dev eth0; ip addr add ${CALLER_IP6}/64 dev eth0 nodad`,
  );
  const another = async (env: Record<string, string> = {}) => {
    const agent = node.startAgent(['--port', '0', 'targeted', '--container-id', node.containerId], {
      MIRRORD_AGENT_LOG_LEVEL: 'debug',
      ...env,
    });
    const port = await agent.ready();
    return { agent, connect: (name = 'test') => connectClient(port, name) };
  };
  const { agent, connect } = await another(env);
  return {
    node,
    agent,
    pod,
    caller,
    connect,
    another,
    rules: () =>
      execFileSync(inPod[0]!, [...inPod.slice(1), 'nft', 'list', 'ruleset'], { encoding: 'utf8', stdio: 'pipe' }),
    close() {
      agent.process.kill('SIGKILL');
      pod.close();
      caller.close();
      node.close();
    },
  };
}

export interface Taken {
  metadata: IncomingConnection;
  stream: MuxStream;
}

/** A client of the agent whose answers a test writes. */
export class Client {
  readonly link: Tunnel;
  readonly ended: { subscription: number; reason: string }[] = [];
  /** What becomes of a connection; refuses as a process that does not listen does, unless set. */
  onTaken: ((taken: Taken) => void) | undefined;
  readonly seen: IncomingConnection[] = [];
  drop: () => void = () => {};

  constructor(link: Tunnel) {
    this.link = link;
    (link as any).onOpen((request: any) => {
      this.seen.push(request.metadata);
      if (!this.onTaken) return request.refuse({ code: 'ECONNREFUSED', syscall: 'connect' });
      this.onTaken({ metadata: request.metadata, stream: request.accept({}) });
    });
    link.onEvent((name, data) => {
      if (name === 'incoming.ended') this.ended.push(data as any);
    });
  }

  async subscribe(params: Partial<IncomingSubscription> & { port: number }): Promise<number> {
    const { result } = await this.link.call('incoming.subscribe', {
      mode: 'steal',
      onConcurrentSteal: 'abort',
      keepProbes: true,
      owner: 'somebody',
      ...params,
    });
    return result.subscription;
  }

  async unsubscribe(subscription: number): Promise<void> {
    await this.link.call('incoming.unsubscribe', { subscription });
  }
}

async function connectClient(port: number, name: string): Promise<Client> {
  let transport: { destroy(): void } | undefined;
  let blocked = false;
  const dial = dialSocket({ port });
  const link = await connectTunnel({
    dial: async (signal) => {
      if (blocked) throw new Error('the network is down');
      const socket = await dial(signal);
      transport = socket;
      return socket;
    },
    token: TOKEN,
    clientName: name,
  });
  const client = new Client(link);
  client.drop = () => {
    blocked = true;
    transport?.destroy();
  };
  return client;
}
