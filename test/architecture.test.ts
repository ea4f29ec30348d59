import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { brotliCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const src = join(root, 'src');

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.replaceAll('\\', '/'));

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

/** Every import of one of our files by another one, as paths below src. */
const imports: Import[] = files.flatMap((from) => {
  const text = readFileSync(join(src, from), 'utf8');
  const statements = text.matchAll(
    /(?:import|export)\s+(type\s)?[^;]*?from\s+'(\.[^']+)'|import\(\s*'(\.[^']+)'\s*\)/g,
  );
  return [...statements].map(([, type, static_, dynamic]) => {
    const target = resolve(src, dirname(from), (static_ ?? dynamic)!);
    const found = [`${target}.ts`, join(target, 'index.ts'), target].find(
      (path) => existsSync(path) && statSync(path).isFile(),
    );
    return { from, to: relative(src, found ?? target).replaceAll('\\', '/'), typeOnly: type !== undefined };
  });
});

const inside = (path: string, places: string[]) =>
  places.some((place) => path === place || path === `${place}.ts` || path.startsWith(`${place}/`));

/** Folder → what it may import besides itself. `…:type` = types only. `version`, `errors` and `log` have no dependencies of their own. */
const common = ['errors', 'version'];
const rules: Record<string, { places: string[]; types?: string[] }> = {
  protocol: { places: ['errors'] },
  tunnel: { places: ['protocol', ...common] },
  spdy: { places: [] },
  config: { places: common },
  patches: { places: ['node-features', 'log', 'errors'], types: ['runtime/verdict', 'protocol'] },
  runtime: {
    places: [
      'patches/install-patches',
      'patches/originals',
      'bridge',
      'protocol',
      'config/address-filter',
      'config/defaults',
      'log',
      'node-features',
      ...common,
    ],
    types: ['config/types', 'kube/types'],
  },
  kube: { places: ['spdy', ...common], types: ['config/types', 'tunnel/transport'] },
  session: { places: ['runtime', 'bridge', 'log', ...common], types: ['config/types', 'kube/types'] },
  agent: { places: ['protocol', ...common] },
  playground: { places: ['spdy', 'config/defaults', ...common], types: ['kube/types'] },
  cli: { places: ['session', 'kube', 'config', 'playground', 'bridge', 'runtime', ...common] },
};

/** The bridge has two halves in one folder: what the app's thread loads, and what the worker loads. */
const workerHalf = ['tunnel', 'kube', 'config', 'protocol', 'log', ...common];
const mainHalf = {
  places: ['protocol', 'log', 'node-features', 'patches/originals', ...common],
  types: ['config', 'kube', 'tunnel', 'runtime/verdict'],
};

describe('imports', () => {
  it.each(Object.keys(rules))('of %s stay within its rule', (folder) => {
    const { places, types = [] } = rules[folder]!;
    const bad = imports.filter(
      ({ from, to, typeOnly }) =>
        from.startsWith(`${folder}/`) && !inside(to, [folder, ...places]) && !(typeOnly && inside(to, types)),
    );
    expect(bad).toEqual([]);
  });

  it('of the half of the bridge that the app loads never reach the tunnel, the cluster or the configuration', () => {
    const reachable = closure('runtime/preload.ts', closure('register.ts'));
    for (const folder of ['tunnel', 'kube', 'agent', 'cli', 'playground']) {
      expect([...reachable].filter((file) => file.startsWith(`${folder}/`))).toEqual([]);
    }
  });

  it('of the bridge stay within the worker’s and the app’s half', () => {
    const bad = imports.filter(
      ({ from, to, typeOnly }) =>
        from.startsWith('bridge/') &&
        !inside(to, ['bridge', ...workerHalf, ...mainHalf.places]) &&
        !(typeOnly && inside(to, mainHalf.types)),
    );
    expect(bad).toEqual([]);
  });

  it('never go from the agent to the client or back', () => {
    const client = ['patches', 'runtime', 'bridge', 'tunnel', 'kube', 'config', 'session', 'cli'];
    const crossing = imports.filter(
      ({ from, to }) =>
        (from.startsWith('agent/') && inside(to, client)) || (inside(from, client) && to.startsWith('agent/')),
    );
    expect(crossing).toEqual([]);
  });
});

/** What is loaded at run time from there on; type imports do not count. */
function closure(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  for (const { from, to, typeOnly } of imports) if (from === entry && !typeOnly) closure(to, seen);
  return seen;
}

describe('bundles', () => {
  const dist = (name: string) => join(root, 'dist', name);

  it('register holds only the decision whether to start, in at most 10 kB', () => {
    expect(statSync(dist('register.cjs')).size).toBeLessThanOrEqual(10_000);
  });

  it('preload holds no cluster client, schema library, WebSocket or CBOR, and is at most 100 kB', () => {
    expect(statSync(dist('preload.cjs')).size).toBeLessThanOrEqual(100_000);
    const required = readFileSync(dist('preload.cjs'), 'utf8').matchAll(/require\("([^"]+)"\)/g);
    expect([...required].map(([, name]) => name!).filter((name) => !isBuiltin(name))).toEqual([]);
    const text = readFileSync(`${dist('preload.cjs')}.map`, 'utf8');
    for (const name of ['node_modules', 'src/kube/', 'src/tunnel/', 'src/config/schema']) {
      expect(JSON.parse(text).sources.filter((source: string) => source.includes(name))).toEqual([]);
    }
  });

  it('agent is at most 350 kB, at most 90 kB with brotli, and holds no HTTP client library', () => {
    const bytes = readFileSync(dist('agent.cjs'));
    expect(bytes.length).toBeLessThanOrEqual(350_000);
    expect(brotliCompressSync(bytes).length).toBeLessThanOrEqual(90_000);
    const { sources } = JSON.parse(readFileSync(`${dist('agent.cjs')}.map`, 'utf8')) as { sources: string[] };
    expect(sources.filter((source) => /node_modules\/(?!cbor-x)/.test(source))).toEqual([]);
    expect(sources.filter((source) => /src\/(?!agent|protocol|errors|version)/.test(source))).toEqual([]);
  });

  it('bridge-worker holds no cluster client of others, and nothing of the other processes', () => {
    const { sources } = JSON.parse(readFileSync(`${dist('bridge-worker.cjs')}.map`, 'utf8')) as { sources: string[] };
    expect(sources.filter((source) => source.includes('@kubernetes/client-node'))).toEqual([]);
    expect(sources.filter((source) => /src\/(agent|cli|playground|patches)\//.test(source))).toEqual([]);
  });

  it('bridge-worker is one function in ASCII, as the loader of it takes it', () => {
    const bytes = readFileSync(dist('bridge-worker.cjs'));
    expect(bytes.every((byte) => byte < 128)).toBe(true);
    const { length } = new vm.Script(bytes.toString('latin1')).runInThisContext() as (...all: unknown[]) => void;
    expect(length).toBe(5);
    // An import of a built-in module goes by Node's asynchronous loader, which a blocked app may hold up.
    expect(bytes.toString('latin1').match(/\bimport\(/g)).toBeNull();
  });

  it('none loads a package that is not inside it', () => {
    const { dependencies = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies?: object;
    };
    expect(Object.keys(dependencies)).toEqual([]);
  });
});

describe('sizes', () => {
  it('no file has more than 400 lines', () => {
    const long = files.filter((file) => readFileSync(join(src, file), 'utf8').split('\n').length > 401);
    expect(long).toEqual([]);
  });

  it('ARCHITECTURE.md names every folder', () => {
    const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
    const folders = readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(folders.map(({ name }) => name).filter((name) => !text.includes(`src/${name}`))).toEqual([]);
  });
});

describe('words', () => {
  it('sockets of ours are reset by resetSocket: resetAndDestroy can leave a handle that keeps a thread from ending', () => {
    const calling = files.filter((name) => /\.resetAndDestroy\(/.test(readFileSync(join(src, name), 'utf8')));
    expect(calling.filter((name) => !name.startsWith('patches/'))).toEqual([]);
  });

  it('agent code says agent, pod, client, and never local or remote', () => {
    const found = files
      .filter((file) => file.startsWith('agent/'))
      .filter((file) => /(?<!link-|usr\/)\b(local|remote)\b/i.test(readFileSync(join(src, file), 'utf8')));
    expect(found).toEqual([]);
  });
});

describe('docs/errors.md', () => {
  it('lists every code that an error of ours can have', () => {
    const text = readFileSync(join(root, 'docs/errors.md'), 'utf8');
    const codes = new Set(
      files.flatMap((file) => {
        const source = readFileSync(join(src, file), 'utf8');
        const made = source.matchAll(/(?:new MirrordError\(\s*|\bcode: )'([A-Z]{2,}(?:_[A-Z]+)+)'/g);
        return [...made].map(([, code]) => code!);
      }),
    );
    const nodes = [...codes].filter((code) => code.startsWith('ERR_'));
    expect([...codes].filter((code) => !nodes.includes(code) && !text.includes(`\`${code}\``))).toEqual([]);
  });
});
