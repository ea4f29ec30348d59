import { isMirrordError, MirrordError } from '../errors';
import type { Transport } from '../tunnel/transport';
import type { Cluster } from './cluster';
import type { ForwardForm } from './forward-form';
import { handshakeAborted, mayDiffer } from './refused-upgrade';
import { aborted } from './request';

export interface AgentPort {
  namespace: string;
  pod: string;
  port: number;
}

/** @param timeoutMs for the upgrade */
export type DialForm = (
  cluster: Cluster,
  agent: AgentPort,
  timeoutMs: number,
  signal?: AbortSignal,
) => Promise<Transport>;

/** Loaded when they are needed: the first one while the cluster is being asked other things, the others hardly ever. */
const DIALS: Record<ForwardForm, () => Promise<DialForm>> = {
  websocket: async () => (await import('./dial-channels')).dialChannels,
  'spdy-websocket': async () => (await import('./dial-spdy')).dialSpdyOverWebSocket,
  spdy: async () => (await import('./dial-spdy')).dialSpdy,
};

/** Milliseconds for an upgrade; shorter where something else can be tried after it. */
const TIMEOUT = 15_000;
const IMPATIENT_TIMEOUT = 5_000;

/**
 * Opens a port-forward in the first form that works, and begins with that one from then on. That it opens says nothing about
 * the port: a transport whose port refuses is destroyed with PORT_FORWARD_REFUSED a few milliseconds later.
 *
 * @throws MirrordError AGENT_GONE, PORT_FORWARD_FAILED, FORBIDDEN, CLUSTER_*
 */
export async function dialPortForward(cluster: Cluster, agent: AgentPort, signal?: AbortSignal): Promise<Transport> {
  const failures: { form: ForwardForm; error: MirrordError }[] = [];
  const forms = [...cluster.forwardForms];
  for (const [index, form] of forms.entries()) {
    if (signal?.aborted) throw aborted(signal);
    const isLast = index === forms.length - 1;
    try {
      const dial = await DIALS[form]();
      const transport = await dial(cluster, agent, isLast ? TIMEOUT : IMPATIENT_TIMEOUT, signal);
      if (index > 0) settleOn(cluster, form, failures);
      return transport;
    } catch (error) {
      if (signal?.aborted) throw handshakeAborted(cluster, agent, form, signal);
      if (!mayDiffer(error)) throw error;
      // The next dial must not wait for it once more.
      if (error.details?.status === 'timeout') cluster.forwardForms = [...without(cluster.forwardForms, form), form];
      failures.push({ form, error });
    }
  }
  throw summary(agent, failures);
}

function settleOn(cluster: Cluster, form: ForwardForm, failures: { form: ForwardForm; error: MirrordError }[]): void {
  cluster.forwardForms = [form, ...without(cluster.forwardForms, form)];
  const why = failures.map((failure) => `${failure.form}: ${failure.error.message}`).join(' ');
  cluster.tell(`port-forward by ${form}, because others were refused (${why})`);
}

const without = (forms: ForwardForm[], form: ForwardForm) => forms.filter((other) => other !== form);

function summary(agent: AgentPort, failures: { form: ForwardForm; error: MirrordError }[]): MirrordError {
  const [first] = failures;
  const forbidden = failures.find(({ error }) => isMirrordError(error) && error.code === 'FORBIDDEN');
  if (forbidden) return forbidden.error;
  if (failures.length === 1) return first!.error;
  const lines = failures.map(({ form, error }) => `  ${form}: ${error.message}`);
  return new MirrordError(
    'PORT_FORWARD_FAILED',
    `No form of port-forward to pod "${agent.pod}" was accepted:\n${lines.join('\n')}`,
    { hint: first!.error.hint, details: { ...first!.error.details, pod: agent.pod }, cause: first!.error },
  );
}
