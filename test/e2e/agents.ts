import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { Exec, KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { agentJobs, batch, core, eventually, settings } from '../support/cluster';

const config = new KubeConfig();
config.loadFromFile(settings.kubeconfig);

/** The pods of our agents in that namespace, on their way out or not. */
export async function agentPods(namespace: string): Promise<V1Pod[]> {
  const { items } = await core.listNamespacedPod({ namespace, labelSelector: 'app.kubernetes.io/name=mirrord-agent' });
  return items;
}

export async function nothingLeft(namespace: string, limitMs: number): Promise<void> {
  await eventually(
    'no Job and no pod of an agent to be left',
    async () => (await agentJobs(namespace)).length === 0 && (await agentPods(namespace)).length === 0,
    limitMs,
  );
}

export async function deleteAgentJob(namespace: string): Promise<void> {
  for (const { metadata } of await agentJobs(namespace)) {
    await batch.deleteNamespacedJob({ name: metadata!.name!, namespace, propagationPolicy: 'Background' });
  }
}

/** A Job of somebody else with the name that the agent of that pod would have: it cannot be made, nor joined. */
export async function occupyAgentOf(namespace: string, { metadata, status }: V1Pod): Promise<void> {
  const identity = `${metadata!.uid}/${status!.containerStatuses![0]!.containerID}`;
  const name = `mirrord-agent-${createHash('sha256').update(identity).digest('hex').slice(0, 16)}`;
  const containers = [
    { name: 'other', image: settings.nodeImage, command: ['node', '-e', 'setInterval(() => {}, 1e6)'] },
  ];
  const template = { spec: { restartPolicy: 'Never', containers } };
  await batch.createNamespacedJob({ namespace, body: { metadata: { name }, spec: { template } } });
}

export async function deleteAgentPod(namespace: string): Promise<void> {
  for (const { metadata } of await agentPods(namespace)) {
    await core.deleteNamespacedPod({ name: metadata!.name!, namespace });
  }
}

type AgentProcess = 'supervisor' | 'worker' | 'holder';

/** Kills a process of the agent. */
export async function killAgent(namespace: string, which: AgentProcess): Promise<void> {
  await inAgent(namespace, which, "process.kill(Number(found.pid), 'SIGKILL')");
}

/** The names of the nftables tables that the agent's target has: `table inet mirrord_…`, a line each. */
export async function tablesOfTarget(namespace: string): Promise<string> {
  const command = ['nft', 'list', 'tables'];
  return inAgent(
    namespace,
    'worker',
    `require('child_process').execFileSync('nsenter', ['--target', found.pid, '--net', '--', ...${JSON.stringify(command)}], { stdio: 'inherit' })`,
  );
}

/** Runs a script in the agent's own pod, which sees all processes of the node, with one of its processes in `found`. */
async function inAgent(namespace: string, which: AgentProcess, script: string): Promise<string> {
  const pod = (await agentPods(namespace)).find(({ status }) => status?.phase === 'Running');
  if (!pod) throw new Error('there is no agent that runs');
  const { args } = pod.spec!.containers[0]!;
  const id = args![args!.indexOf('--container-id') + 1]!;
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let [out, err] = ['', ''];
  stdout.on('data', (chunk) => (out += chunk));
  stderr.on('data', (chunk) => (err += chunk));
  await new Promise<void>((resolve, reject) => {
    const command = ['node', '-e', FIND + script, id, which];
    const name = pod.metadata!.name!;
    new Exec(config)
      .exec(namespace, name, 'mirrord-agent', command, stdout, stderr, null, false, () => resolve())
      .catch(reject);
  });
  if (err.includes('Error: ')) throw new Error(err);
  return out;
}

/** The supervisor has the target's id in its arguments; the worker is its child, and who holds the traffic rules is a child of that. */
const FIND = `
  const fs = require('fs');
  const [id, which] = process.argv.slice(1);
  const all = fs.readdirSync('/proc').filter(Number).flatMap((pid) => {
    try {
      const words = fs.readFileSync('/proc/' + pid + '/cmdline', 'utf8').split('\\0');
      return [{ pid, words, parent: /PPid:\\s+(\\d+)/.exec(fs.readFileSync('/proc/' + pid + '/status', 'utf8'))[1] }];
    } catch { return []; }
  });
  const supervisor = all.find(({ words }) => words.includes('--container-id') && words.includes(id));
  const worker = all.find(({ words, parent }) => words.includes('--worker') && parent === supervisor?.pid);
  const holds = ({ words }) => /^nft for mirrord_[^_]+$/.test(words[0]) || (words[0] === 'sh' && words[2]?.startsWith('cat >'));
  const holder = all.find((one) => holds(one) && one.parent === worker?.pid);
  const found = { worker, supervisor, holder }[which];
  if (!found) throw new Error(which + ' not found');
`;
