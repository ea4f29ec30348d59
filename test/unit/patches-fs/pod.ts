import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fsPatch } from '../../../src/patches/fs';
import { WireFailure } from '../../../src/protocol/session-types';
import { type FileIntent, type PatchContext, REMOTE, type Verdict } from '../../../src/runtime/verdict';

const real = { ...fs };

/** The one folder that is the pod's in these tests; nothing of that name is on this machine. */
export const POD = '/pod-of-the-tests';

export interface Pod {
  /** What the agent was asked, in order. */
  asked: { method: string; path: string; form: 'sync' | 'async' }[];
  /** Replaces the answer of the next calls. */
  answer: ((method: string, params: any) => unknown) | undefined;
  decide: (path: string, intent: FileIntent) => Verdict;
  remotePath: (path: string) => string;
  write(name: string, data: string | Uint8Array): void;
  /** Takes the patch back, and removes the files. */
  stop(): void;
}

function serve(root: string, method: string, params: any): { result: any; raw: Uint8Array } {
  const path = root + params.path.slice(POD.length);
  const raw = new Uint8Array(0);
  switch (method) {
    case 'fs.stat':
      return { result: { stat: real.statSync(path, { bigint: true }) }, raw };
    case 'fs.lstat':
      return { result: { stat: real.lstatSync(path, { bigint: true }) }, raw };
    case 'fs.access':
      return { result: real.accessSync(path, params.mode) ?? {}, raw };
    case 'fs.readdir': {
      const entries = real.readdirSync(path, { withFileTypes: true });
      const type = (entry: fs.Dirent) => (entry.isDirectory() ? 2 : 1);
      return {
        result: { entries: entries.map((entry) => ({ name: entry.name, type: type(entry), parent: '' })) },
        raw,
      };
    }
    case 'fs.readFile': {
      const stat = real.statSync(path, { bigint: true });
      return { result: { stat }, raw: new Uint8Array(real.readFileSync(path)).slice(0, params.maxBytes) };
    }
    case 'fs.read': {
      const bytes = new Uint8Array(real.readFileSync(path));
      return { result: {}, raw: bytes.slice(params.position, params.position + params.length) };
    }
  }
  throw new Error(`These tests do not expect ${method}.`);
}

/** Installs the patch, with a folder of this machine as the pod. */
export function startPod(): Pod {
  const root = real.mkdtempSync(join(tmpdir(), 'pod-'));
  const run = (method: string, params: any, form: 'sync' | 'async') => {
    pod.asked.push({ method, path: params.path, form });
    if (pod.answer) return pod.answer(method, params) as { result: any; raw: Uint8Array };
    try {
      return serve(root, method, params);
    } catch (error) {
      const { code, errno, syscall } = error as NodeJS.ErrnoException;
      throw code ? new WireFailure({ code, errno, syscall, path: params.path }) : error;
    }
  };
  const pod: Pod = {
    asked: [],
    answer: undefined,
    decide: (path) => (path.startsWith(`${POD}/`) ? REMOTE : { kind: 'bypass', reason: 'default-local' }),
    remotePath: (path) => path,
    write(name, data) {
      real.mkdirSync(dirname(join(root, name)), { recursive: true });
      real.writeFileSync(join(root, name), data);
    },
    stop() {
      undo();
      real.rmSync(root, { recursive: true, force: true });
    },
  };
  const files = {
    decide: (path: string, intent: FileIntent) => pod.decide(path, intent),
    remotePath: (path: string) => pod.remotePath(path),
    callSync: (method: string, params: unknown) => run(method, params, 'sync'),
    call: async (method: string, params: unknown) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return run(method, params, 'async');
    },
  };
  const undo = fsPatch.install({ files, log() {} } as unknown as PatchContext);
  return pod;
}
