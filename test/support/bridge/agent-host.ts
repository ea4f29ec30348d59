/** Runs the scripted agent in a thread of its own: a synchronous call blocks the thread of the test. */
import { parentPort, workerData } from 'node:worker_threads';
import { type ScriptedAgent, startScriptedAgent } from './scripted-agent';

const agent = await startScriptedAgent(workerData.podEnv);
parentPort!.on('message', async ({ id, ask }: { id: number; ask: keyof ScriptedAgent }) => {
  const part = agent[ask];
  parentPort!.postMessage({ id, answer: typeof part === 'function' ? await part() : part });
});
parentPort!.postMessage({ port: agent.port });
