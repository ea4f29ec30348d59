import { afterEach, beforeEach } from 'vitest';
import { type Cluster, openCluster } from '../../../src/kube/cluster';
import { dialPortForward } from '../../../src/kube/dial-port-forward';
import type { Transport } from '../../../src/tunnel/transport';
import { ScriptedApi } from '../../support/scripted-api';
import { type Form, type ScriptedForwards, scriptForwards } from '../../support/scripted-forwards';

export const AGENT = { namespace: 'default', pod: 'agent', port: 30_000 };

/** A scripted API server that forwards ports, made anew for each test of the file that imports this. */
export let api: ScriptedApi;
export let forwards: ScriptedForwards;
/** What each test has opened: ended behind it. */
export let cleanups: (() => void)[] = [];

beforeEach(async () => {
  api = await ScriptedApi.start();
  forwards = scriptForwards(api);
  cleanups = [];
});
afterEach(async () => {
  for (const cleanup of cleanups) cleanup();
  await api.stop();
});

export async function open(env: NodeJS.ProcessEnv = {}, kubeconfig = api.kubeconfig): Promise<Cluster> {
  const cluster = await openCluster({ kubeconfig, context: undefined, acceptInvalidCertificates: false }, env);
  cleanups.push(() => cluster.close());
  return cluster;
}

export async function dial(cluster: Cluster): Promise<Transport> {
  const transport = await dialPortForward(cluster, AGENT);
  transport.on('error', () => {});
  cleanups.push(() => transport.destroy());
  return transport;
}

export const only = (form: Form) => open({ MIRRORD_PORT_FORWARD: form });
