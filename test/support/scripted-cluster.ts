import type { ServerResponse } from 'node:http';
import { type ScriptedApi, startWatch, status } from './scripted-api';

const JOBS = '/apis/batch/v1/namespaces/default/jobs';
const PODS = '/api/v1/namespaces/default/pods';

/** A target pod as the API shows one that runs. */
export function targetPod(name = 'web-1', changes: any = {}): any {
  return {
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app: 'web', 'pod-template-hash': 'a' },
      ...changes.metadata,
    },
    spec: { nodeName: 'node1', containers: [{ name: 'app', image: 'app:1' }], ...changes.spec },
    status: {
      phase: 'Running',
      podIP: '10.0.0.7',
      containerStatuses: [
        { name: 'app', ready: true, containerID: 'containerd://0123abcd', state: { running: { startedAt: '' } } },
      ],
      ...changes.status,
    },
  };
}

export const WAITING = {
  phase: 'Pending',
  containerStatuses: [{ name: 'mirrord-agent', state: { waiting: { reason: 'ContainerCreating' } } }],
};
export const RUNNING = {
  phase: 'Running',
  containerStatuses: [{ name: 'mirrord-agent', ready: true, state: { running: {} } }],
};

/** Jobs and their pods behind a scripted API: what a Job's pod goes through is the test's to say. */
export class ScriptedCluster {
  job: any;
  pod: any;
  deleted: string[] = [];
  /** Status objects the pod of the next Job goes through, 10 ms apart; none = no pod is made. */
  life: any[] = [WAITING, RUNNING];
  events: any[] = [];
  log = '';
  #watchers = new Set<(type: string, object: unknown) => void>();
  #count = 0;

  constructor(readonly api: ScriptedApi) {
    api.on(`GET ${PODS}/web-1`, () => targetPod());
    api.on(`POST ${JOBS}`, ({ body }, response) => this.#create(body, response));
    api.on('GET /api/v1/namespaces/default/events', () => ({ items: this.events }));
    api.on(`GET ${PODS}`, ({ query }, response) => this.#pods(query, response));
  }

  #create(body: any, response: ServerResponse): unknown {
    if (this.job) return status(response, 409, 'AlreadyExists', `jobs.batch "${body.metadata.name}" already exists`);
    this.adopt({ ...body, metadata: { ...body.metadata, uid: `job-${++this.#count}` }, status: {} });
    return this.job;
  }

  /** Makes a Job exist, as if somebody had created it, and gives it its pod. */
  adopt(job: any): void {
    this.job = job;
    const path = `${JOBS}/${job.metadata.name}`;
    this.api.on(`GET ${path}`, (_, response) => this.job ?? status(response, 404, 'NotFound', 'jobs not found'));
    this.api.on(`DELETE ${path}`, ({ body }, response) => {
      if (body.preconditions.uid !== this.job?.metadata.uid) return status(response, 409, 'Conflict', 'uid');
      this.deleted.push(`${this.job.metadata.uid} ${body.propagationPolicy}`);
      if (this.pod) this.#tell('DELETED');
      [this.job, this.pod] = [undefined, undefined];
      return {};
    });
    this.#live(job, [...this.life]);
  }

  #live(job: any, life: any[]): void {
    const [next, ...rest] = life;
    if (!next || this.job !== job) return;
    setTimeout(() => {
      if (this.job === job) this.setStatus(next);
      this.#live(job, rest);
    }, 10);
  }

  setStatus(podStatus: any): void {
    const first = !this.pod;
    this.pod = {
      ...targetPod(`agent-pod-${this.job.metadata.uid}`),
      status: podStatus,
      spec: this.job.spec.template.spec,
    };
    this.pod.metadata.ownerReferences = [{ kind: 'Job', uid: this.job.metadata.uid, name: this.job.metadata.name }];
    this.api.on(`GET ${PODS}/${this.pod.metadata.name}/log`, (_, response) => {
      response.setHeader('content-type', 'text/plain');
      response.end(this.log);
    });
    this.#tell(first ? 'ADDED' : 'MODIFIED');
  }

  /** Somebody deletes the pod and leaves the Job. */
  evictPod(): void {
    this.#tell('DELETED');
    this.pod = undefined;
  }

  #tell(type: string): void {
    for (const send of this.#watchers) send(type, this.pod);
  }

  #pods(query: URLSearchParams, response: ServerResponse): unknown {
    if (!query.get('watch')) return { items: this.pod ? [this.pod] : [] };
    const send = startWatch(response);
    if (this.pod) send('ADDED', this.pod);
    this.#watchers.add(send);
    response.once('close', () => this.#watchers.delete(send));
    return undefined;
  }
}
