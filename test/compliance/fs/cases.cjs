'use strict';
// Calls every function in every form on every kind of path, and prints what came back. Runs once on the real tree and
// once, with the patches in, when the tree is at the same path in the pod only.
const fs = require('node:fs');
const { pathToFileURL } = require('node:url');
const { promisify } = require('node:util');
const { describe, describeError } = require('./describe-value.cjs');

const root = process.env.COMPLIANCE_TREE;
const out = process.env.COMPLIANCE_OUT;
const results = {};

const PATHS = {
  file: 'file.txt',
  missing: 'none/at/all',
  'missing file': 'none.txt',
  folder: 'folder',
  'folder with a slash': 'folder/',
  'file with a slash': 'file.txt/',
  'below a file': 'file.txt/x',
  link: 'link',
  'link to a folder': 'folder-link',
  'behind a link': 'folder-link/inner.txt',
  'dot dot behind a link': 'folder-link/../inner-sibling.txt',
  'dangling link': 'dangling',
  loop: 'loop',
  'behind a loop': 'loop/x',
  empty: 'empty',
  big: 'big.bin',
  binary: 'binary.bin',
  'not ascii': 'größe-漢字.txt',
  'double slashes': '/folder//inner.txt',
};

/** Methods with the option lists each is called with. */
const METHODS = {
  stat: [[], [{ bigint: true }], [{ throwIfNoEntry: false }], ['bad']],
  lstat: [[], [{ bigint: true }], [{ throwIfNoEntry: false }]],
  access: [[], [4], [1], [99], ['x']],
  readlink: [[], ['buffer'], [{ encoding: 'hex' }], ['no-such-encoding']],
  realpath: [[], ['buffer'], [{ encoding: 'base64' }]],
  readdir: [
    [],
    ['buffer'],
    [{ withFileTypes: true }],
    [{ withFileTypes: true, encoding: 'buffer' }],
    [{ encoding: 'nope' }],
  ],
  readFile: [
    [],
    ['utf8'],
    [{ encoding: 'latin1' }],
    ['base64'],
    [{ encoding: 'hex', flag: 'r' }],
    [null],
    [5],
    ['nope'],
    [{ flag: 'zz' }],
  ],
};

async function attempt(title, run) {
  try {
    results[title] = describe(await run());
  } catch (error) {
    results[title] = describeError(error);
  }
}

const callback = (call) =>
  new Promise((resolve, reject) => {
    let returned = false;
    try {
      const value = call((...args) => resolve({ args: args.map(describe), early: !returned, count: args.length }));
      returned = true;
      if (value !== undefined) reject(new Error('returned something'));
    } catch (error) {
      resolve({ thrown: describeError(error) });
    }
  });

async function everyForm(label, method, path, args) {
  const title = (form) => `${method} ${form} ${JSON.stringify(args)} ${label}`;
  await attempt(title('sync'), () => fs[`${method}Sync`](path, ...args));
  await attempt(title('callback'), () => callback((done) => fs[method](path, ...args, done)));
  await attempt(title('promise'), () => fs.promises[method](path, ...args));
}

async function drain(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function opened(label, path) {
  await attempt(`openSync ${label}`, () => {
    const fd = fs.openSync(path, 'r');
    try {
      const stat = describe(fs.fstatSync(fd));
      const buffer = Buffer.alloc(20);
      let read;
      try {
        read = fs.readSync(fd, buffer, 0, 20, 3);
      } catch (error) {
        read = describeError(error);
      }
      return {
        type: typeof fd,
        stat,
        big: describe(fs.fstatSync(fd, { bigint: true })),
        read,
        text: buffer.toString('hex'),
      };
    } finally {
      fs.closeSync(fd);
    }
  });
  await attempt(`open ${label}`, async () => {
    const fd = await promisify(fs.open)(path);
    const stat = await promisify(fs.fstat)(fd);
    const data = await promisify(fs.readFile)(fd).catch((error) => error);
    await promisify(fs.close)(fd);
    return { stat: describe(stat), data: describe(data) };
  });
  await attempt(`promises.open ${label}`, async () => {
    const handle = await fs.promises.open(path, fs.constants.O_RDONLY);
    try {
      const stat = describe(await handle.stat());
      const big = describe(await handle.stat({ bigint: true }));
      const data = describe(await handle.readFile().catch((error) => error));
      return { kind: handle.constructor.name, fd: typeof handle.fd, stat, big, data };
    } finally {
      await handle.close();
    }
  });
  for (const range of [{}, { start: 2 }, { start: 2, end: 5 }, { encoding: 'utf8', highWaterMark: 10_000 }]) {
    await attempt(`createReadStream ${JSON.stringify(range)} ${label}`, async () => {
      const events = [];
      const stream = fs.createReadStream(path, range);
      for (const name of ['open', 'ready', 'end', 'close', 'error']) stream.on(name, () => events.push(name));
      const data = await drain(stream).catch((error) => error);
      await new Promise(setImmediate);
      return { events, data: describe(data), path: stream.path, read: stream.bytesRead };
    });
  }
}

async function folders(label, path) {
  await attempt(`opendirSync ${label}`, () => {
    const dir = fs.opendirSync(path);
    const names = [];
    for (let entry = dir.readSync(); entry; entry = dir.readSync()) names.push(describe(entry));
    dir.closeSync();
    let again;
    try {
      dir.readSync();
    } catch (error) {
      again = describeError(error);
    }
    return {
      names: sorted(names),
      again,
      kind: dir.constructor.name,
      is: dir instanceof fs.Dir,
      path: String(dir.path),
    };
  });
  await attempt(`opendir ${label}`, () =>
    callback((done) =>
      fs.opendir(path, (error, dir) => {
        if (error) return done(error);
        dir.read((_error, first) => dir.close((failed) => done(null, typeof first?.name, describe(failed ?? null))));
      }),
    ),
  );
  for (const options of [{}, { recursive: true }, { encoding: 'buffer' }]) {
    await attempt(`promises.opendir ${JSON.stringify(options)} ${label}`, async () => {
      const names = [];
      const dir = await fs.promises.opendir(path, options);
      for await (const entry of dir) names.push(describe(entry));
      const again = await dir.close().catch((error) => describeError(error));
      return { names: sorted(names), again: again ?? null };
    });
  }
}

const sorted = (list) => list.map((item) => JSON.stringify(item)).sort();

async function copies(label, path) {
  for (const [name, run] of Object.entries({
    copyFileSync: (to) => fs.copyFileSync(path, to),
    copyFile: (to) => callback((done) => fs.copyFile(path, to, done)),
    'promises.copyFile': (to) => fs.promises.copyFile(path, to),
    'copyFileSync exclusive': (to) => {
      fs.writeFileSync(to, 'here');
      fs.copyFileSync(path, to, fs.constants.COPYFILE_EXCL);
    },
    cpSync: (to) => fs.cpSync(path, to, { recursive: true }),
    cp: (to) => callback((done) => fs.cp(path, to, { recursive: true }, done)),
    'promises.cp': (to) => fs.promises.cp(path, to, { recursive: true, dereference: true }),
    'cpSync not recursive': (to) => fs.cpSync(path, to),
    'promises.cp filtered': (to) =>
      fs.promises.cp(path, to, { recursive: true, filter: (from) => !/inner/.test(from) }),
  })) {
    const to = `${out}/copy`;
    await attempt(`${name} ${label}`, async () => {
      let result;
      try {
        result = describe(await run(to));
      } catch (error) {
        result = describeError(error);
      }
      return { result, tree: treeOf(to) };
    });
    fs.rmSync(to, { recursive: true, force: true });
  }
}

function treeOf(path) {
  let stat;
  try {
    stat = fs.lstatSync(path);
  } catch {
    return null;
  }
  if (stat.isSymbolicLink()) return `-> ${fs.readlinkSync(path)}`;
  if (!stat.isDirectory()) return { mode: stat.mode & 0o777, data: describe(fs.readFileSync(path)) };
  return Object.fromEntries(fs.readdirSync(path).map((name) => [name, treeOf(`${path}/${name}`)]));
}

(async () => {
  process.chdir(process.env.COMPLIANCE_CWD);
  for (const [label, name] of Object.entries(PATHS)) {
    const path = `${root}/${name}`;
    for (const [method, lists] of Object.entries(METHODS)) {
      for (const args of lists) await everyForm(label, method, path, args);
    }
    await attempt(`existsSync ${label}`, () => fs.existsSync(path));
    await attempt(`exists ${label}`, () => callback((done) => fs.exists(path, done)));
    await attempt(`promisified exists ${label}`, () => promisify(fs.exists)(path));
    await attempt(`statfsSync ${label}`, () => fs.statfsSync(path));
    await attempt(`promises.statfs ${label}`, () => fs.promises.statfs(path, { bigint: true }));
    await attempt(`realpathSync.native ${label}`, () => fs.realpathSync.native(path));
    await attempt(`realpath.native ${label}`, () => callback((done) => fs.realpath.native(path, done)));
    await attempt(`readdirSync recursive ${label}`, () => fs.readdirSync(path, { recursive: true }).sort());
    await attempt(`promises.readdir recursive ${label}`, async () =>
      sorted((await fs.promises.readdir(path, { recursive: true, withFileTypes: true })).map(describe)),
    );
    await opened(label, path);
    await folders(label, path);
    await copies(label, path);
  }
  for (const [kind, path] of Object.entries({
    buffer: Buffer.from(`${root}/file.txt`),
    url: pathToFileURL(`${root}/file.txt`),
    'relative and out of the working directory': `../../../../../../../..${root}/file.txt`,
    'missing, relative': `../../../../../../../..${root}/none.txt`,
    'missing buffer': Buffer.from(`${root}/none.txt`),
    'with a NUL': `${root}/a\0b`,
    'a number': 1e9,
    nothing: undefined,
    'url of http': new URL('http://localhost/x'),
    empty: '',
  })) {
    for (const method of ['stat', 'readFile', 'readdir', 'access', 'realpath']) await everyForm(kind, method, path, []);
    await attempt(`readdir types ${kind}`, () => fs.readdirSync(path, { withFileTypes: true }));
    await attempt(`existsSync ${kind}`, () => fs.existsSync(path));
    await attempt(`open ${kind}`, async () => fs.closeSync(fs.openSync(path)));
  }
  await attempt('no callback', () => fs.readFile(`${root}/file.txt`));
  await attempt('no callback, stat', () => fs.stat(`${root}/file.txt`, {}));
  await attempt('aborted before', () => fs.promises.readFile(`${root}/file.txt`, { signal: AbortSignal.abort('why') }));
  await attempt('aborted before, callback', () =>
    callback((done) => fs.readFile(`${root}/file.txt`, { signal: AbortSignal.abort() }, done)),
  );
  await attempt('aborted meanwhile', () => {
    const controller = new AbortController();
    const reading = fs.promises.readFile(`${root}/big.bin`, { signal: controller.signal });
    controller.abort();
    return reading;
  });
  await attempt('signal of a wrong type', () => fs.promises.readFile(`${root}/file.txt`, { signal: 1 }));
  if (fs.openAsBlob) {
    await attempt('openAsBlob', async () => {
      const blob = await fs.openAsBlob(`${root}/file.txt`, { type: 'text/plain' });
      return [blob.constructor.name, blob.size, blob.type, await blob.text()];
    });
    await attempt('openAsBlob missing', () => fs.openAsBlob(`${root}/none`));
  }
  if (fs.globSync) await attempt('globSync', () => fs.globSync(`${root}/folder/**`).sort());
  await attempt('O_DIRECTORY', () => fs.openSync(`${root}/file.txt`, fs.constants.O_DIRECTORY));
  await attempt('O_NOFOLLOW', () => fs.openSync(`${root}/link`, fs.constants.O_NOFOLLOW));
  fs.writeSync(1, JSON.stringify({ results, calls: globalThis.podCalls ?? null }));
})();
