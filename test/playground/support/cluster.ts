import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Writable } from 'node:stream';
import { Exec, KubeConfig } from '@kubernetes/client-node';
import { build } from 'esbuild';
import { load } from 'js-yaml';
import { Agent, request } from 'undici';
import { type LaunchOptions, launchPlayground, type Playground } from '../../../src/playground/launch';

const sources = resolve(import.meta.dirname, '../../../src');

/** Bundles the node (and the agent) from the sources, so that the tests see what is written and not what was built last. */
async function bundle(): Promise<string> {
  const outdir = mkdtempSync(join(tmpdir(), 'playground-test-'));
  const common = { bundle: true, platform: 'node', format: 'cjs', target: 'node20', logLevel: 'error' } as const;
  const external = ['bufferutil', 'utf-8-validate', 'cbor-extract'];
  const define = { __MIRRORD_VERSION__: '"0.0.0-test"' };
  const entry = (source: string, name: string) =>
    build({ ...common, external, define, entryPoints: [join(sources, source)], outfile: join(outdir, name) });
  await entry('playground/node.ts', 'playground-node.cjs');
  if (existsSync(join(sources, 'agent/main.ts'))) await entry('agent/main.ts', 'agent.cjs');
  return outdir;
}

/** A running playground and a plain HTTPS client for its API. */
export class Cluster {
  readonly playground: Playground;
  readonly startedIn: number;
  readonly #folder: string | undefined;
  readonly #agent: Agent;
  readonly #token: string;
  readonly #server: string;

  private constructor(playground: Playground, startedIn: number, folder: string | undefined) {
    this.playground = playground;
    this.startedIn = startedIn;
    this.#folder = folder;
    const config = load(playground.kubeconfig) as any;
    const { server, 'certificate-authority-data': ca } = config.clusters[0].cluster;
    this.#server = server;
    this.#token = config.users[0].user.token;
    this.#agent = new Agent({ connect: { ca: Buffer.from(ca, 'base64').toString() } });
  }

  static async start(options: LaunchOptions = {}): Promise<Cluster> {
    const given = process.env.MIRRORD_PLAYGROUND_BUNDLES;
    const rootless = process.env.MIRRORD_PLAYGROUND_ROOTLESS ? true : undefined;
    const folder = given ? undefined : await bundle();
    const began = performance.now();
    const playground = await launchPlayground({ bundles: given ?? folder, rootless, ...options });
    return new Cluster(playground, performance.now() - began, folder);
  }

  async stop(): Promise<void> {
    await this.#agent.close().catch(() => {});
    await this.playground.stop();
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true });
  }

  async call(
    method: 'GET' | 'POST' | 'DELETE' | 'PATCH',
    path: string,
    body?: unknown,
    token = this.#token,
  ): Promise<{ status: number; text: string; json: any }> {
    const { statusCode, body: answer } = await request(this.#server + path, {
      method,
      dispatcher: this.#agent,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body ? { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' } : {}),
      },
      body: body ? JSON.stringify(body) : undefined,
    });
    const text = await answer.text();
    let json: any;
    try {
      json = JSON.parse(text);
    } catch {
      // Logs are plain text.
    }
    return { status: statusCode, text, json };
  }

  /** Creates objects in namespace default (or cluster-wide kinds by their path). */
  async create(resource: string, object: any, group = 'api/v1'): Promise<any> {
    const { status, json, text } = await this.call('POST', `/${group}/namespaces/default/${resource}`, object);
    if (status >= 300) throw new Error(`create ${resource}: ${status} ${text}`);
    return json;
  }

  async pod(name: string): Promise<any> {
    const { status, json } = await this.call('GET', `/api/v1/namespaces/default/pods/${name}`);
    return status === 404 ? undefined : json;
  }

  /** A pod with one container `c` that runs a shell script, plus whatever is given. */
  runPod(
    name: string,
    script: string,
    { spec = {}, container = {}, labels = {} }: { spec?: any; container?: any; labels?: any } = {},
  ): Promise<any> {
    return this.create('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels },
      spec: {
        terminationGracePeriodSeconds: 1,
        ...spec,
        containers: [
          { name: 'c', image: 'playground/node:1', command: ['/bin/bash', '-c', script], ...container },
          ...(spec.containers ?? []),
        ],
      },
    });
  }

  async logs(name: string, query = ''): Promise<string> {
    const { status, text } = await this.call('GET', `/api/v1/namespaces/default/pods/${name}/log?container=c${query}`);
    if (status !== 200) throw new Error(`logs of ${name}: ${status} ${text}`);
    return text;
  }

  async events(name: string): Promise<{ reason: string; message: string; type: string }[]> {
    const { json } = await this.call(
      'GET',
      `/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=${name}`,
    );
    return json.items;
  }

  /** Runs a command in container `c` through the exec subresource. */
  async exec(
    name: string,
    command: string[],
    container = 'c',
  ): Promise<{ stdout: string; stderr: string; status: any }> {
    const config = new KubeConfig();
    config.loadFromString(this.playground.kubeconfig);
    const output = { stdout: '', stderr: '' };
    const sink = (key: 'stdout' | 'stderr') =>
      new Writable({
        write(chunk, _encoding, done) {
          output[key] += chunk;
          done();
        },
      });
    const status = await new Promise<any>((resolve, reject) => {
      new Exec(config)
        .exec('default', name, container, command, sink('stdout'), sink('stderr'), null, false, resolve)
        .catch(reject);
    });
    return { ...output, status };
  }

  async waitReady(name: string, limit = 10_000): Promise<any> {
    return until(
      async () => {
        const pod = await this.pod(name);
        return pod?.status?.conditions?.some((one: any) => one.type === 'Ready' && one.status === 'True')
          ? pod
          : undefined;
      },
      `pod ${name} to be ready`,
      limit,
    );
  }

  /** Waits until the pod has ended and returns it. */
  async waitEnded(name: string, limit = 10_000): Promise<any> {
    return until(
      async () => {
        const pod = await this.pod(name);
        return ['Succeeded', 'Failed'].includes(pod?.status?.phase) ? pod : undefined;
      },
      `pod ${name} to end`,
      limit,
    );
  }

  /** Runs a script in a pod of its own to the end and returns what it printed. */
  async runScript(name: string, script: string, options: Parameters<Cluster['runPod']>[2] = {}): Promise<string> {
    await this.runPod(name, script, { ...options, spec: { restartPolicy: 'Never', ...options?.spec } });
    await this.waitEnded(name);
    return this.logs(name);
  }
}

/** Polls until there is a value; says what it waited for when there is none within the limit. */
export async function until<T>(
  probe: () => Promise<T | undefined> | T | undefined,
  what: string,
  limit = 10_000,
): Promise<T> {
  const end = Date.now() + limit;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Error(`waited ${limit} ms for ${what}`);
    await new Promise((later) => setTimeout(later, 20));
  }
}
