import type { ResolvedConfig } from '../config/types';
import { isMirrordError } from '../errors';
import { isPodOver } from './agent-over';
import { AgentStartup } from './agent-startup';
import { type Cluster, openCluster } from './cluster';
import { createDial } from './dial-agent';
import { findTarget } from './find-target';
import { followTarget } from './follow-target';
import { type PlacedAgent, type Placement, placeAgent } from './placement';
import type { AgentHandle, ChosenTarget, GuardedJob, Progress, Siblings, StartAgent } from './types';

export { retryWhileStarting } from './retry-while-starting';

/** How often an agent that is of no use to anybody is replaced. */
const ROUNDS = 3;
const DEAD = new Set(['AGENT_FAILED', 'AGENT_IMAGE_PULL', 'AGENT_REJECTED', 'AGENT_UNSCHEDULABLE']);

/**
 * Finds the target, and creates the agent's Job or joins the one that is there. Resolves when the agent's container runs; it
 * may need some more milliseconds until it listens, so make the first connection through `retryWhileStarting`.
 *
 * @throws MirrordError CLUSTER_*, KUBE*, FORBIDDEN, TARGET_*, CONTAINER_NOT_FOUND, AGENT_*; then no Job of this call is left
 */
export const startAgent: StartAgent = async (config, progress, signal, guard, read) => {
  const cluster = await step(progress, 'cluster', 'Reading the kubeconfig', async () => {
    const opened = await openCluster({ ...config, read });
    return [opened, `Cluster ${opened.server.host} (context ${opened.contextName})`];
  });
  cluster.tell = (text) => progress({ type: 'info', step: 'link', text });
  try {
    const namespace = config.namespace ?? cluster.namespace;
    const target = await chooseTarget(cluster, config, namespace, progress, signal);
    return await step(progress, 'agent', 'Starting the agent', async () => {
      const started = await bringUp(cluster, config, namespace, target, signal, guard);
      const handle: AgentHandle = {
        ...started.handle,
        siblings: siblingsOf(cluster, config, namespace),
        async abandon() {
          await started.handle.abandon();
          cluster.close();
        },
        release: () => cluster.close(),
      };
      return [handle, started.text];
    });
  } catch (error) {
    cluster.close();
    throw error;
  }
};

async function chooseTarget(
  cluster: Cluster,
  { target }: ResolvedConfig,
  namespace: string,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<ChosenTarget | undefined> {
  if (target.kind === 'targetless') return undefined;
  return step(progress, 'target', `Looking for ${target.kind}/${target.name}`, async () => {
    const found = await findTarget(cluster, target, namespace, signal);
    const { pod, container, reason } = found.target;
    if (found.guessed) {
      const text = `The pod has several containers; "${container}" was chosen. Name another as ${target.kind}/${target.name}/container/NAME.`;
      progress({ type: 'warn', step: 'target', text });
    }
    return [found.target, `Target pod ${pod}, container ${container} (${reason})`];
  });
}

function siblingsOf(cluster: Cluster, config: ResolvedConfig, namespace: string): Siblings | undefined {
  const { target } = config;
  if (target.kind === 'targetless') return undefined;
  return {
    follow: (onChange, signal) => followTarget(cluster, target, namespace, onChange, signal),
    start: async (pod, signal, guard) => (await bringUp(cluster, config, namespace, pod, signal, guard)).handle,
  };
}

async function bringUp(
  cluster: Cluster,
  config: ResolvedConfig,
  targetNamespace: string,
  target: ChosenTarget | undefined,
  signal: AbortSignal | undefined,
  guard: ((job: GuardedJob) => void) | undefined,
): Promise<{ handle: AgentHandle; text: string }> {
  const placement = placeAgent(config.agent, target, config.agent.namespace ?? targetNamespace);
  // What most starts find, at the least cost. All that is unusual is left to the long way, which says what is wrong.
  let running = await placement.find?.(cluster, signal).catch(() => undefined);
  for (let round = 1; ; round++) {
    if (!running && placement.own) {
      const { kubeconfig, context, acceptInvalidCertificates } = config;
      guard?.({ access: { kubeconfig, context, acceptInvalidCertificates }, ...placement.own });
    }
    // Of an agent to be, the watch is opened first: it can be up before a second request would have been sent.
    const startup = new AgentStartup(cluster, placement, config.agent.startupTimeout, signal, running?.pods);
    let placed: PlacedAgent | undefined = running?.placed;
    running = undefined;
    try {
      // If the watch may not be opened, the Job must not be created either; but neither waits for the other.
      placed ??= await placement.ensure(cluster, startup.deadline, signal);
      startup.follow(placed);
      const pod = await startup.running;
      const handle = createHandle(cluster, config, placement, target, placed, pod, startup);
      return { handle, text: `Agent ${pod} ${describeStart(placed, config.agent.image)}` };
    } catch (error) {
      startup.finish();
      const isOurs = !placed || placed.created;
      if (isOurs) await placement.removeOwn(cluster).catch(() => {});
      if (placed && !isOurs && round < ROUNDS && isMirrordError(error) && DEAD.has(error.code)) {
        // An agent that was about to end, which its Job shows seconds later than its pod; or one that never came up.
        await placed.remove(cluster).catch(() => {});
        continue;
      }
      throw error;
    }
  }
}

function describeStart({ created, image }: PlacedAgent, wanted: string): string {
  if (created) return 'started';
  return image === wanted ? 'joined' : `joined; it runs ${image}, not the ${wanted} that is configured`;
}

function createHandle(
  cluster: Cluster,
  config: ResolvedConfig,
  placement: Placement,
  target: ChosenTarget | undefined,
  placed: PlacedAgent,
  pod: string,
  startup: AgentStartup,
): AgentHandle {
  const { kubeconfig, context, acceptInvalidCertificates } = config;
  const { namespace } = placement;
  const { created, port, token } = placed;
  return {
    handoff: { kubeconfig, context, acceptInvalidCertificates, namespace, pod, port, token, target },
    dial: createDial(async () => cluster, { namespace, pod, port }),
    isOver: () => isPodOver(cluster, { namespace, pod, port }),
    created,
    startup,
    siblings: undefined,
    async abandon() {
      startup.finish();
      if (created) await placed.remove(cluster).catch(() => {});
    },
    release() {},
  };
}

async function step<T>(progress: Progress, name: string, text: string, run: () => Promise<[T, string]>): Promise<T> {
  progress({ type: 'start', step: name, text });
  try {
    const [value, done] = await run();
    progress({ type: 'done', step: name, text: done });
    return value;
  } catch (error) {
    progress({ type: 'fail', step: name, text });
    throw error;
  }
}
