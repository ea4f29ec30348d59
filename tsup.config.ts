import { readFileSync } from 'node:fs';
import { defineConfig, type Options } from 'tsup';

const { version } = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8')) as { version: string };

/** What every bundle shares. Sourcemaps are written beside the code, so that a stack names our own files. */
const common: Options = {
  outDir: 'dist',
  target: 'node20.19',
  platform: 'node',
  sourcemap: true,
  splitting: false,
  clean: false,
  // An app that mocks `fs` by name must not get hold of ours.
  removeNodeProtocol: false,
  define: { __MIRRORD_VERSION__: JSON.stringify(version) },
  // Everything is bundled: what a user installs is what was tested.
  noExternal: [/.*/],
  // Optional native addons: pure JavaScript is used instead, so that nothing has to be compiled.
  external: ['bufferutil', 'utf-8-validate', 'cbor-extract'],
};

/** CommonJS libraries bundled into an ES module still call `require` for Node's own modules. */
const requireBanner = {
  js: "import { createRequire as __mirrordRequire } from 'node:module'; const require = __mirrordRequire(import.meta.url);",
};

export default defineConfig([
  { ...common, entry: { register: 'src/register.ts' }, format: 'cjs', minify: true },
  { ...common, entry: { preload: 'src/runtime/preload.ts' }, format: 'cjs', minify: true },
  { ...common, entry: { 'bridge-worker': 'src/bridge/worker.ts' }, format: 'cjs', minify: true },
  { ...common, entry: { 'worker-loader': 'src/bridge/worker-loader.ts' }, format: 'cjs', minify: true },
  { ...common, entry: { reaper: 'src/kube/reap.ts' }, format: 'cjs', minify: true },
  { ...common, entry: { agent: 'src/agent/main.ts' }, format: 'cjs', minify: true },
  { ...common, entry: { index: 'src/index.ts' }, format: ['cjs', 'esm'], dts: true },
  { ...common, entry: { cli: 'src/cli/main.ts' }, format: 'esm', banner: requireBanner },
  { ...common, entry: { 'playground-node': 'src/playground/node.ts' }, format: 'cjs' },
]);
