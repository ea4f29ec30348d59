import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';

const root = fileURLToPath(new URL('../../..', import.meta.url));

export interface Bundles {
  /** Root of a package as it is installed, with a space in its path: `register.cjs`, `dist/`. */
  folder: string;
  worker: string;
  startFiles: string;
  register: string;
  index: string;
  agent: string;
  remove(): void;
}

/** CommonJS libraries in an ES module still call `require`. */
const requireBanner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/** The form that `loadCached` runs. */
const asFunction = {
  banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
  footer: { js: '})' },
};

/** Builds the preload, the public API and the scripted worker, laid out as in the package. */
export async function buildBundles(): Promise<Bundles> {
  const folder = join(mkdtempSync(join(tmpdir(), 'mirrord-bundles-')), 'with a space');
  const dist = join(folder, 'dist');
  mkdirSync(dist, { recursive: true });
  const make = (source: string, name: string, format: 'cjs' | 'esm' = 'cjs', form: BuildOptions = {}) =>
    build({
      entryPoints: [join(root, source)],
      outfile: join(dist, `${name}.${format === 'cjs' ? 'cjs' : 'mjs'}`),
      bundle: true,
      platform: 'node',
      target: 'node20.19',
      format,
      banner: format === 'esm' ? { js: requireBanner } : {},
      external: ['bufferutil', 'utf-8-validate', 'cbor-extract'],
      logOverride: { 'empty-import-meta': 'silent' },
      ...form,
    });
  await Promise.all([
    make('test/support/bridge/worker.ts', 'bridge-worker', 'cjs', asFunction),
    make('src/bridge/start-files.ts', 'start-files'),
    make('src/bridge/worker-loader.ts', 'worker-loader'),
    make('src/register.ts', 'register'),
    make('src/runtime/preload.ts', 'preload'),
    make('src/index.ts', 'index'),
    make('test/support/bridge/agent-host.ts', 'agent-host', 'esm'),
  ]);
  const register = join(folder, 'register.cjs');
  writeFileSync(register, readFileSync(join(root, 'register.cjs')));
  return {
    folder,
    worker: join(dist, 'worker-loader.cjs'),
    startFiles: join(dist, 'start-files.cjs'),
    register,
    index: join(dist, 'index.cjs'),
    agent: join(dist, 'agent-host.mjs'),
    remove: () => rmSync(join(folder, '..'), { recursive: true, force: true }),
  };
}
