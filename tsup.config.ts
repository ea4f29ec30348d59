import { readFileSync } from 'node:fs';
import { defineConfig, type Options } from 'tsup';

const { version } = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8')) as { version: string };

/**
 * cbor-x finds out whether it may make functions of text by `new` on nothing, and V8 reads all of the library once more to word
 * the error: 5 ms of each start, of the client's and the agent's. The outcome is the same without.
 */
const withoutCostlyProbe: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'cbor-x',
  setup(build) {
    build.onLoad({ filter: /cbor-x.dist.index-no-eval\.cjs$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const contents = text.replaceAll("new BlockedFunction ('');", 'throw undefined;');
      if (contents === text) throw new Error(`${path} probes in another way than before`);
      return { contents, loader: 'js' };
    });
  },
};

/** What reads files is in a bundle of its own, a third of what the worker would have to read in each start for nothing. */
const withoutFileReaders: typeof withoutCostlyProbe = {
  name: 'start-files',
  setup(build) {
    build.onResolve({ filter: /\/(load-config|read-kubeconfig)$/ }, () => ({
      path: './start-files.cjs',
      external: true,
    }));
  },
};

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
  define: {
    __MIRRORD_VERSION__: JSON.stringify(version),
    // Of ws: it would look for native addons in the folders of the app.
    'process.env.WS_NO_BUFFER_UTIL': '"1"',
    'process.env.WS_NO_UTF_8_VALIDATE': '"1"',
  },
  esbuildPlugins: [withoutCostlyProbe],
  // Everything is bundled: what a user installs is what was tested.
  noExternal: [/.*/],
  // Optional native addons: pure JavaScript is used instead, so that nothing has to be compiled.
  external: ['bufferutil', 'utf-8-validate', 'cbor-extract'],
};

export default defineConfig([
  { ...common, entry: { register: 'src/register.ts' }, format: 'cjs', minify: true },
  { ...common, entry: { preload: 'src/runtime/preload.ts' }, format: 'cjs', minify: true },
  {
    ...common,
    entry: { 'bridge-worker': 'src/bridge/worker.ts' },
    format: 'cjs',
    minify: true,
    esbuildPlugins: [withoutCostlyProbe, withoutFileReaders],
    esbuildOptions(options) {
      // Node's own import is asynchronous, and hangs in a worker while the app's thread is blocked.
      options.supported = { ...options.supported, 'dynamic-import': false };
    },
    // The form that src/bridge/load-cached.ts runs.
    banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
    footer: { js: '})' },
  },
  { ...common, entry: { 'worker-loader': 'src/bridge/worker-loader.ts' }, format: 'cjs', minify: true },
  { ...common, entry: { 'start-files': 'src/bridge/start-files.ts' }, format: 'cjs', minify: true },
  { ...common, entry: { reaper: 'src/kube/reap.ts' }, format: 'cjs', minify: true },
  { ...common, entry: { agent: 'src/agent/main.ts' }, format: 'cjs', minify: true },
  { ...common, entry: { index: 'src/index.ts' }, format: ['cjs', 'esm'], dts: true },
  { ...common, entry: { cli: 'src/cli/cli.ts' }, format: 'esm' },
  { ...common, entry: { 'cli-main': 'src/cli/main.ts' }, format: 'cjs', minify: true },
  { ...common, entry: { 'playground-node': 'src/playground/node.ts' }, format: 'cjs' },
]);
