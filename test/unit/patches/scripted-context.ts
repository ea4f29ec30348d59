import type { ConnectOutcome, PatchContext, Verdict } from '../../../src/runtime/verdict';

type Target = { address: string; port: number };

export interface Script {
  context: PatchContext;
  /** Connects that were asked for, in order; answer them by `answer`. */
  asked: (Target & {
    answer(outcome: ConnectOutcome): void;
    aborted: boolean;
    sourcePort?: number;
    sourceAddress?: string;
  })[];
  log: string[];
  listening: number[];
  held(): number;
}

/** A context whose pod does what the test says. */
export function createScript(
  options: {
    verdict?: Verdict;
    relayPort?: number;
    lookup?: unknown;
    families?: { ipv4: boolean; ipv6: boolean };
  } = {},
): Script {
  const { verdict = { kind: 'remote' }, relayPort = 0, lookup, families } = options;
  const asked: Script['asked'] = [];
  const listening: number[] = [];
  const log: string[] = [];
  let held = 0;
  const hold = () => void held++;
  const release = () => void held--;
  const never = () => {
    throw new Error('not scripted');
  };
  const context: PatchContext = {
    files: {
      decide: () => ({ kind: 'bypass', reason: 'feature-off' }),
      remotePath: (path) => path,
      call: never,
      callSync: never,
    },
    outgoing: {
      decide: () => verdict,
      relayPort,
      connect(target, done) {
        const entry: Script['asked'][number] = { ...target, answer: done, aborted: false };
        asked.push(entry);
        return { id: asked.length - 1, abort: () => void Object.assign(entry, { aborted: true }) };
      },
      announce: (id, port, address) => void Object.assign(asked[id]!, { sourcePort: port, sourceAddress: address }),
      hold,
      release,
    },
    resolver: {
      decide: () => verdict,
      remember: () => {},
      families,
      hold,
      release,
      callSync: never,
      call: async () => ({ result: lookup as never, raw: new Uint8Array() }),
    },
    children: { inherit: (env) => env as Record<string, string> },
    listeners: {
      opened: (port) => void listening.push(port),
      closed: (port) => void listening.splice(listening.indexOf(port), 1),
    },
    hostname: 'pod-1',
    log: (namespace, message) => void log.push(`${namespace}: ${message}`),
  };
  return { context, asked, log, listening, held: () => held };
}
