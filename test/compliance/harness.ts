/**
 * One body, two processes: as Node runs it, and with the patches in. Both results have to be equal, and the patched run has
 * to have used the pod, so that a patch that does nothing cannot pass.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCertificate } from '../support/certificate';
import { type Settings, settingsEnv } from '../support/relayed/settings';
import { type DnsServer, startDnsServer } from './dns-server';

const here = fileURLToPath(new URL('.', import.meta.url));
const LIMIT_MS = 60_000;
/** Another Node to run the bodies with, to compare versions by hand. */
const node = process.env.COMPLIANCE_NODE ?? process.execPath;

interface Run {
  results: Record<string, { value?: unknown; failed?: string }>;
  strays: string[];
  stderr: string;
  code: number | null;
  /** What went through the pod. */
  counts?: { connects: number; calls: number; held: number };
}

interface World {
  folder: string;
  env: Record<string, string>;
  settings: Settings;
  stop(): void;
}

async function createWorld(): Promise<World> {
  const folder = mkdtempSync(path.join(tmpdir(), 'compliance-'));
  const source = path.join(here, '../support/relayed');
  await build({
    entryPoints: { preload: `${source}/preload.ts`, worker: `${source}/worker.ts` },
    outdir: folder,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    logLevel: 'error',
  });
  const dns: DnsServer = await startDnsServer();
  const { key, cert } = await createCertificate(['localhost']);
  const servers: ChildProcess = fork(path.join(here, 'servers.cjs'), {
    execArgv: [],
    env: { PATH: process.env.PATH, COMPLIANCE_KEY: key, COMPLIANCE_CERT: cert },
  });
  const ports = await new Promise<Record<string, number>>((resolve, reject) => {
    servers.once('message', (message) => resolve(message as Record<string, number>));
    servers.once('exit', (code) => reject(new Error(`The servers ended with ${code} before they listened.`)));
  });
  return {
    folder,
    env: {
      PATH: process.env.PATH ?? '',
      COMPLIANCE_PORTS: JSON.stringify({ ...ports, dns: dns.port }),
      COMPLIANCE_CERT: cert,
    },
    settings: { preload: `${folder}/preload.cjs`, worker: `${folder}/worker.cjs`, dnsPort: dns.port },
    stop() {
      servers.kill();
      dns.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const runPlain = (world: World, fixture: string) => run(fixture, [], { ...world.env, COMPLIANCE_PLAIN: '1' });

/** The only place that knows how a process gets its patches. */
async function runPatched(world: World, fixture: string, flags: string[] = []): Promise<Run> {
  const counts = path.join(world.folder, `counts-${path.basename(fixture)}.json`);
  const settings = { ...world.settings, counts };
  const env = { ...world.env, ...settingsEnv(settings), NODE_OPTIONS: `--require=${settings.preload}` };
  const outcome = await run(fixture, flags, env);
  // Children append lines too; the process itself is the last to end.
  const lines = readFileSync(counts, 'utf8').trim().split('\n');
  return { ...outcome, counts: JSON.parse(lines.at(-1)!) };
}

function run(fixture: string, flags: string[], env: Record<string, string>): Promise<Run> {
  const child = spawn(node, [...flags, path.join(here, 'run-fixture.cjs'), fixture], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${fixture} still ran after ${LIMIT_MS / 1000} s.\n${stdout}\n${stderr}`));
    }, LIMIT_MS);
    child.once('close', (code) => {
      clearTimeout(timer);
      try {
        resolve({ ...JSON.parse(stdout), stderr, code });
      } catch {
        reject(new Error(`${fixture} ended with ${code} and no results.\n${stdout}\n${stderr}`));
      }
    });
  });
}

export interface ComplianceOptions {
  /** What of the pod the patched run must have used, at least. */
  uses?: Partial<Record<'connects' | 'calls', number>>;
  /** Further assertions about the patched run alone: what must differ, not be equal. */
  patched?: Record<string, unknown>;
  flags?: string[];
}

/** One test for each facet of a fixture, and one for how both processes ended. */
export function compareRuns(title: string, fixture: URL, options: ComplianceOptions = {}): void {
  const file = fileURLToPath(fixture);
  const facets = Object.keys(createRequire(import.meta.url)(file));
  describe(title, () => {
    let world: World;
    let plain: Run;
    let patched: Run;
    beforeAll(async () => {
      world = await createWorld();
      [plain, patched] = await Promise.all([runPlain(world, file), runPatched(world, file, options.flags)]);
    }, LIMIT_MS + 10_000);
    afterAll(() => world?.stop());

    it.each(facets)('%s', (facet) => {
      const differs = options.patched && facet in options.patched;
      expect(plain.results[facet]).not.toHaveProperty('failed');
      expect(patched.results[facet]).toEqual(differs ? { value: options.patched![facet] } : plain.results[facet]);
    });

    it('ends by itself with nothing left over, and has used the pod', () => {
      for (const outcome of [plain, patched]) {
        expect(outcome).toMatchObject({ code: 0, strays: [], stderr: '' });
      }
      expect(patched.counts!.held).toBe(0);
      expect(patched.counts!.connects).toBeGreaterThanOrEqual(options.uses?.connects ?? 0);
      expect(patched.counts!.calls).toBeGreaterThanOrEqual(options.uses?.calls ?? 0);
    });
  });
}
