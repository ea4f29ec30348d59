import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_AGENT_IMAGE } from '../../src/playground/images';
import { Cluster, until } from './support/cluster';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
  await cluster.runPod('target', 'exec node -e "setInterval(()=>{},1000)"');
  await cluster.waitReady('target');
}, 60_000);

afterAll(() => cluster?.stop());

describe('the agent in the playground', () => {
  it.each(['playground/agent:1', `${DEFAULT_AGENT_IMAGE}:0.1.0`])(
    'finds its target and is ready (%s)',
    async (image) => {
      const target = await cluster.pod('target');
      const id = target.status.containerStatuses[0].containerID.slice('containerd://'.length);
      const name = image.startsWith('playground') ? 'agent-own' : 'agent-default';
      const began = performance.now();
      await cluster.runPod(name, '', {
        spec: {
          hostPID: true,
          nodeName: target.spec.nodeName,
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
        },
        container: {
          image,
          command: undefined,
          args: ['--port', '5555', 'targeted', '--container-id', id, '--container-runtime', 'containerd'],
          env: [{ name: 'MIRRORD_AGENT_TOKEN', value: 'ab'.repeat(32) }],
          securityContext: { runAsGroup: 30_517, capabilities: { add: ['SYS_ADMIN', 'SYS_PTRACE', 'NET_ADMIN'] } },
        },
      });
      const log = await until(async () => {
        const { status, text } = await cluster.call('GET', `/api/v1/namespaces/default/pods/${name}/log`);
        return status === 200 && text.includes('agent ready') ? text : undefined;
      }, 'the agent to be ready');
      console.log(`${image}: ready ${Math.round(performance.now() - began)} ms after the pod was created`);
      expect(log).toContain('agent ready');
      await cluster.call('DELETE', `/api/v1/namespaces/default/pods/${name}`);
    },
  );
});
