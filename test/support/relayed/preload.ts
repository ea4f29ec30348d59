/**
 * Preload for the compliance suite: the real patches and policies over a worker that dials from this same machine. What is
 * scripted is only the pod, so that a plain and a patched run can be compared field by field.
 */
import { appendFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { log } from '../../../src/log';
import { installPatches } from '../../../src/patches/install-patches';
import { createOutgoingPolicy } from '../../../src/runtime/outgoing';
import { createResolverPolicy } from '../../../src/runtime/resolve';
import type { ConnectOutcome, PatchContext } from '../../../src/runtime/verdict';
import type { FromWorker, ToWorker } from './messages';
import { createChildAccess, settingsOf } from './settings';

const settings = settingsOf(process.env);
const ready = new Int32Array(new SharedArrayBuffer(4));
const worker = new Worker(settings.worker, {
  workerData: { ready, dnsPort: settings.dnsPort },
  execArgv: [],
  env: { ...process.env, NODE_OPTIONS: '' },
});
if (Atomics.wait(ready, 0, 0, 10_000) === 'timed-out') throw new Error('The relay worker did not start within 10 s.');
worker.unref();

const counts = { connects: 0, calls: 0 };
let held = 0;
const hold = () => held++ === 0 && worker.ref();
const release = () => --held === 0 && worker.unref();

let nextId = 1;
const waiting = new Map<number, (message: FromWorker) => void>();
worker.on('message', (message: FromWorker) => {
  const answer = waiting.get(message.id);
  waiting.delete(message.id);
  answer?.(message);
});
worker.unref();
const post = (message: ToWorker) => worker.postMessage(message);

function call(method: string, params: unknown): Promise<any> {
  const id = nextId++;
  counts.calls++;
  return new Promise((resolve, reject) => {
    waiting.set(id, (message) => {
      if (message.kind === 'result') resolve({ result: message.result, raw: new Uint8Array() });
      if (message.kind === 'failure')
        reject(Object.assign(new Error(message.wire.code), { code: message.wire.code, wire: message.wire })); // what a WireFailure has
    });
    post({ kind: 'call', id, method, params });
  });
}

const listening = new Map<number, number>();
const resolverPolicy = createResolverPolicy({ dns: { enabled: true, filter: undefined }, outgoingFilter: undefined });
const outgoingPolicy = createOutgoingPolicy({
  outgoing: { tcp: true, udp: true, ignoreLocalhost: false, filter: undefined },
  isOwnPort: (port) => port === ready[0],
  isOwnListener: (port) => listening.has(port),
  nameOf: resolverPolicy.nameOf,
});
const unused = () => {
  throw new Error('not part of this suite');
};

const context: PatchContext = {
  files: {
    decide: () => ({ kind: 'bypass', reason: 'feature-off' }),
    remotePath: (path) => path,
    call: unused,
    callSync: unused,
  },
  outgoing: {
    decide: outgoingPolicy.decide,
    relayPort: ready[0]!,
    connect({ address, port }, done) {
      const id = nextId++;
      counts.connects++;
      waiting.set(id, (message) =>
        done((message as FromWorker & { kind: 'outcome' }).outcome satisfies ConnectOutcome),
      );
      post({ kind: 'connect', id, address, port });
      return {
        id,
        abort() {
          waiting.delete(id);
          post({ kind: 'abort', id });
        },
      };
    },
    announce: (id, port, address) => post({ kind: 'announce', id, port, address }),
    hold,
    release,
  },
  resolver: { ...resolverPolicy, call, callSync: unused, hold, release, families: settings.families },
  children: createChildAccess(settings),
  listeners: {
    opened: (port) => void listening.set(port, (listening.get(port) ?? 0) + 1),
    closed: (port) => void listening.delete(port),
  },
  incoming: {
    portFor: (asked) => asked,
    takes: () => true,
    opened() {
      // As long as a round trip to a cluster may take, with the thread blocked.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
      return () => {};
    },
    moved: unused,
    peerOf: () => undefined,
  },
  hostname: 'shop-7d9c',
  log,
};
const undo = installPatches(context);
Object.defineProperty(globalThis, Symbol.for('mirrord.compliance.undo'), { value: undo });

process.on('exit', () => {
  if (settings.counts) appendFileSync(settings.counts, `${JSON.stringify({ ...counts, held })}\n`);
});
