import type { LoadedConfig } from '../config/load-config';
import type { ConfigOverrides, ResolvedConfig } from '../config/types';
import { startAgent } from '../kube/start-agent';
import { leaveTerminal, takeTerminal } from '../kube/terminal';
import type { GuardedJob, Progress } from '../kube/types';
import type { Boot, BootContext } from './boot';
import { bringUpAgent } from './bring-up';
import type { BringUp } from './following';
import type { StartInput } from './messages';
import { Reaper } from './reaper';
import { absoluteKubeconfig, packWish } from './wish';

/** What a start may take beyond the agent's own limit: reading, finding the target, the first round trips. */
const BESIDE_AGENT_MS = 30_000;

type OwnerBootOptions = Pick<Extract<StartInput, { role: 'owner' }>, 'expectsChildren' | 'terminal'>;

/** The process that starts the session: finds the target, starts or joins the agent, and lets child processes attach. */
export function ownerBoot(overrides: ConfigOverrides, { expectsChildren, terminal }: OwnerBootOptions = {}): Boot {
  return async (context) => {
    if (terminal) takeTerminal();
    try {
      return await boot(context);
    } finally {
      leaveTerminal();
    }
  };

  async function boot(context: BootContext) {
    const files = await context.files;
    const { config: loaded, warnings, values } = files?.loaded ?? (await load(overrides, context));
    const config = { ...loaded, kubeconfig: absoluteKubeconfig(loaded.kubeconfig, context.env) };
    context.onConfig({
      startLimitMs: config.agent.startupTimeout * 1_000 + BESIDE_AGENT_MS,
      onFailure: config.onFailure,
    });
    for (const text of warnings) context.progress({ type: 'warn', step: 'config', text });
    const { signal } = context;
    const reaper = new Reaper();
    const progress = loadAheadOnce(context.progress, reaper);
    const start = (guard: (job: GuardedJob) => void) => startAgent(config, progress, signal, guard, files?.kubeconfig);
    const agent = await bringUpAgent(config, { progress, signal, reaper, tell: progress, start });
    try {
      const { openSession } = await import('./open-session');
      return await openSession(config, agent, {
        progress,
        expectsChildren,
        reaper,
        signal,
        wish: packWish(values, context.env),
        bringUp: quietly(config, progress),
      });
    } catch (error) {
      await agent.handle.abandon();
      throw error;
    }
  }
}

/** Modules of Node's own that are used after the first answers: `cluster` by every server that listens. */
const USED_LATER = ['node:cluster', 'node:child_process', 'node:v8'];

/** Begins to load what the later steps need when the first request leaves. */
function loadAheadOnce(tell: Progress, reaper: Reaper): Progress {
  let begun = false;
  return (event) => {
    tell(event);
    if (begun || event.step === 'cluster') return;
    begun = true;
    loadAhead(reaper);
  };
}

/** While answers of the cluster are on their way, in pieces so that none waits for long. */
function loadAhead(reaper: Reaper): void {
  const pieces = [
    () => import('../kube/dial-channels'),
    () => import('../tunnel/tunnel'),
    () => import('./open-session'),
    ...USED_LATER.map((name) => async () => process.getBuiltinModule(name)),
    async () => reaper.prepare(),
  ];
  const next = () =>
    void pieces
      .shift()?.()
      .then(() => setImmediate(next));
  setImmediate(next);
}

/** Not part of what a start loads where the app's thread has read the files. */
async function load(overrides: ConfigOverrides, { env, cwd }: BootContext): Promise<LoadedConfig> {
  const { loadConfig } = await import('../config/load-config');
  return loadConfig(overrides, env, cwd);
}

/** The steps of a start that nobody waits for are not shown; its outcome is. */
function quietly(config: ResolvedConfig, tell: BootContext['progress']): BringUp {
  const progress: BootContext['progress'] = () => {};
  // Of several agents, the one of the session's own pod speaks for all: they are lost together.
  return (signal, start) => bringUpAgent(config, { progress, signal, start, tell: start ? undefined : tell });
}
