import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import net from 'node:net';
import { type Duplex, Readable } from 'node:stream';
import { type ApiServer, type DenyRule, startApiServer } from '../../../src/playground/api/server';
import { createStore } from '../../../src/playground/store';
import type { ExecOptions, ExecProcess, NodeStreams, Store } from '../../../src/playground/types';

export const FIXTURES = new URL('../../fixtures/kubernetes-transcripts/', import.meta.url);

/** Streams that run commands here and connect to this machine's loopback, in place of a pod's. */
export function hostStreams(): NodeStreams {
  const run = (command: string[], { stdin, tty }: Omit<ExecOptions, 'command'>): Promise<ExecProcess> => {
    const child = spawn(command[0]!, command.slice(1));
    if (!stdin) child.stdin.end();
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('spawn', () =>
        resolve({
          stdin: stdin ? child.stdin : null,
          stdout: child.stdout,
          stderr: tty ? null : child.stderr,
          exit: new Promise((done) => child.once('exit', (code) => done(code ?? 137))),
          resize: () => {},
          kill: () => void child.kill('SIGKILL'),
        }),
      );
    });
  };
  return {
    exec: (_namespace, _pod, _container, options) => run(options.command, options),
    attach: (_namespace, _pod, _container, options) => run(['cat'], options),
    logs: async (_namespace, _pod, container, { tailLines = 3 }) =>
      Readable.from(Array.from({ length: tailLines }, (_, line) => `${container} ${line}\n`)),
    dial: (_namespace, _pod, port) =>
      new Promise<Duplex>((resolve, reject) => {
        const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
        socket.once('connect', () => resolve(socket));
        socket.once('error', reject);
      }),
  };
}

export interface Cluster {
  store: Store;
  server: ApiServer;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
}

interface CallOptions {
  headers?: Record<string, string>;
  body?: unknown;
  /** Undefined: the server's own. Null: none. */
  token?: string | null;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  json: any;
}

export async function startCluster({
  deny,
  store = createStore(),
}: {
  deny?: DenyRule[];
  store?: Store;
} = {}): Promise<Cluster> {
  for (const name of ['default', 'kube-system']) {
    if (!store.get('namespaces', undefined, name)) {
      store.create('namespaces', {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name },
        status: { phase: 'Active' },
      });
    }
  }
  const server = await startApiServer({ store, streams: hostStreams(), deny });
  return { store, server, call: (method, path, options = {}) => call(server, method, path, options) };
}

function call(
  { caPem, port, token: own }: ApiServer,
  method: string,
  path: string,
  options: CallOptions,
): Promise<Answer> {
  const token = options.token === undefined ? own : options.token;
  const raw =
    typeof options.body === 'string' || options.body === undefined ? options.body : JSON.stringify(options.body);
  const headers = {
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(raw === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(raw)) }),
    ...options.headers,
  };
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      { host: '127.0.0.1', port, ca: caPem, method, path, headers, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode!, headers: response.headers, text, json: parse(text) });
        });
      },
    );
    request.on('error', reject);
    request.end(raw);
  });
}

function parse(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function readFixture(name: string): string {
  return readFileSync(new URL(name, FIXTURES), 'utf8');
}

/** Puts a recorded object into the store as it was recorded. */
export function load(store: Store, plural: string, fixture: string): any {
  const { managedFields: _managed, ...metadata } = JSON.parse(readFixture(fixture)).metadata;
  return store.create(plural, { ...JSON.parse(readFixture(fixture)), metadata });
}
