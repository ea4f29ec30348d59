import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';

/** Which cluster the end-to-end suite runs against. */
export interface ClusterSettings {
  kubeconfig: string;
  nodeImage: string;
  /** Undefined = the client's own default. */
  agentImage: string | undefined;
  /** An image with redis-server and postgres; undefined = tests that need them are skipped. */
  serversImage: string | undefined;
}

declare module 'vitest' {
  export interface ProvidedContext {
    cluster: ClusterSettings;
  }
}

const run = promisify(execFile);
const cli = new URL('../../dist/cli.js', import.meta.url).pathname;

const hasServers = () => existsSync('/usr/bin/redis-server') && existsSync('/usr/lib/postgresql');

/** One cluster for the whole run: the one that is named by the environment, or a playground of our own. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const { MIRRORD_E2E_KUBECONFIG, MIRRORD_E2E_NODE_IMAGE, MIRRORD_E2E_AGENT_IMAGE, MIRRORD_E2E_SERVERS_IMAGE } =
    process.env;
  if (MIRRORD_E2E_KUBECONFIG) {
    project.provide('cluster', {
      kubeconfig: MIRRORD_E2E_KUBECONFIG,
      nodeImage: MIRRORD_E2E_NODE_IMAGE ?? 'node:22-slim',
      agentImage: MIRRORD_E2E_AGENT_IMAGE,
      serversImage: MIRRORD_E2E_SERVERS_IMAGE,
    });
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'mirrord-e2e-'));
  const kubeconfig = join(folder, 'kubeconfig');
  const env = { ...process.env, MIRRORD_PLAYGROUND_DIR: folder };
  const playground = (...args: string[]) =>
    run(process.execPath, [cli, 'playground', ...args], { env, timeout: 60_000 });
  await playground('start', '--detach', '--kubeconfig', kubeconfig);
  project.provide('cluster', {
    kubeconfig,
    nodeImage: MIRRORD_E2E_NODE_IMAGE ?? 'playground/node:1',
    agentImage: MIRRORD_E2E_AGENT_IMAGE,
    // Pods of the playground see the programs that are installed on this machine.
    serversImage: MIRRORD_E2E_SERVERS_IMAGE ?? (hasServers() ? 'playground/node:1' : undefined),
  });
  return async () => {
    await playground('stop');
    rmSync(folder, { recursive: true, force: true });
  };
}
