import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { IncomingSubscription } from '../../../src/protocol/contract';

export interface AgentThread {
  port: number;
  calls(): Promise<string[]>;
  subscriptions(): Promise<IncomingSubscription[]>;
  sessions(): Promise<number>;
  cut(): Promise<void>;
  close(): Promise<void>;
}

/** @param bundle file of the built `agent-host.ts` */
export async function startAgentThread(bundle: string, podEnv = { FROM_POD: 'yes' }): Promise<AgentThread> {
  const worker = new Worker(bundle, { workerData: { podEnv }, execArgv: [], env: {} });
  const [{ port }] = await once(worker, 'message');
  let sequence = 0;
  const ask = async (what: string): Promise<any> => {
    const id = ++sequence;
    worker.postMessage({ id, ask: what });
    for (;;) {
      const [message] = await once(worker, 'message');
      if (message.id === id) return message.answer;
    }
  };
  return {
    port,
    calls: () => ask('calls'),
    subscriptions: () => ask('subscriptions'),
    sessions: () => ask('sessions'),
    cut: () => ask('cut'),
    async close() {
      await worker.terminate();
    },
  };
}
