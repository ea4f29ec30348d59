import { afterEach, beforeEach } from 'vitest';
import { loadConfig } from '../../../src/config/load-config';
import type { ResolvedConfig } from '../../../src/config/types';
import type { MirrordError } from '../../../src/errors';
import { startAgent } from '../../../src/kube/start-agent';
import type { AgentHandle, ProgressEvent } from '../../../src/kube/types';
import { ScriptedApi } from '../../support/scripted-api';
import { ScriptedCluster } from '../../support/scripted-cluster';

// A start of an agent against a scripted cluster, which is a new one for each test of a file that imports this.
export const JOBS = '/apis/batch/v1/namespaces/default/jobs';
export const PODS = '/api/v1/namespaces/default/pods';
export let api: ScriptedApi;
export let cluster: ScriptedCluster;
/** What the starts of the test have said. */
export let progress: ProgressEvent[] = [];
let handles: AgentHandle[] = [];

beforeEach(async () => {
  api = await ScriptedApi.start();
  cluster = new ScriptedCluster(api);
  [handles, progress] = [[], []];
});
afterEach(async () => {
  for (const handle of handles) handle.startup.finish();
  await api.stop();
});

export function config(agent: object = {}, target = 'pod/web-1'): ResolvedConfig {
  return loadConfig({ target, kubeconfig: api.kubeconfig, agent }, {}, '/').config;
}

export async function start(settings = config(), signal?: AbortSignal): Promise<AgentHandle> {
  const handle = await startAgent(settings, (event) => progress.push(event), signal);
  handles.push(handle);
  return handle;
}

export async function failure(settings = config(), signal?: AbortSignal): Promise<MirrordError> {
  return start(settings, signal).then(
    () => Promise.reject(new Error('it started')),
    (error) => error,
  );
}
