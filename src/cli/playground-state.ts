import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What is known of a running playground, from any other process. */
export interface PlaygroundState {
  /** Process id of the outer process: ending it ends everything. */
  pid: number;
  /** URL of the API server. */
  server: string;
  /** Path of the kubeconfig. */
  kubeconfig: string;
  startedAt: string;
}

/** `MIRRORD_PLAYGROUND_DIR`, else the user's state folder as the XDG specification names it. */
export function stateFolder(env: NodeJS.ProcessEnv = process.env): string {
  return (
    env.MIRRORD_PLAYGROUND_DIR ??
    join(env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'mirrord', 'playground')
  );
}

const stateFile = () => join(stateFolder(), 'state.json');

/** The running playground, or undefined; a state file whose process is gone counts as none. */
export function readState(): PlaygroundState | undefined {
  let state: PlaygroundState;
  try {
    state = JSON.parse(readFileSync(stateFile(), 'utf8')) as PlaygroundState;
  } catch {
    return undefined;
  }
  return isAlive(state.pid) ? state : undefined;
}

/** The folder is private: the kubeconfig in it is a key to the playground. */
export function prepareStateFolder(): string {
  const folder = stateFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

export function writeState(state: PlaygroundState): void {
  writeFileSync(join(prepareStateFolder(), 'state.json'), JSON.stringify(state), { mode: 0o600 });
}

/** Removes the state file if it is still that process's. */
export function clearState(pid: number): void {
  try {
    const state = JSON.parse(readFileSync(stateFile(), 'utf8')) as PlaygroundState;
    if (state.pid === pid) rmSync(stateFile(), { force: true });
  } catch {
    // No state file: nothing to clear.
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
