import type { Duplex, Readable, Writable } from 'node:stream';

/** Any Kubernetes object, as it is stored: the fields every kind has, and the rest verbatim. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec?: any;
  status?: any;
  [field: string]: any;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  generateName?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  [field: string]: any;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface StoreEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: KubeObject;
  /** The object before the change; undefined for ADDED. */
  previous?: KubeObject;
}

/**
 * The objects of the cluster. Resources are named by their plural (`pods`, `deployments`). Objects that come out are frozen
 * snapshots: changing one goes through `update` or `mutate`.
 */
export interface Store {
  get(resource: string, namespace: string | undefined, name: string): KubeObject | undefined;
  list(resource: string, namespace?: string): KubeObject[];
  /** Fills uid, creationTimestamp, resourceVersion, generateName. Throws StatusError 409 when it exists. */
  create(resource: string, object: Omit<KubeObject, 'metadata'> & { metadata: Partial<ObjectMeta> }): KubeObject;
  /** Read, change, write, in one step; undefined when it does not exist. `generation` grows when spec changed. */
  mutate(
    resource: string,
    namespace: string | undefined,
    name: string,
    change: (object: KubeObject) => void,
  ): KubeObject | undefined;
  /**
   * Asks for deletion. A pod gets deletionTimestamp and stays until the kubelet calls `remove`; an object with finalizers stays
   * until they are gone; everything else goes at once. Dependants follow by propagation policy.
   */
  delete(
    resource: string,
    namespace: string | undefined,
    name: string,
    options?: { gracePeriodSeconds?: number; propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' },
  ): KubeObject | undefined;
  /** Takes the object out for good and tells watchers. */
  remove(resource: string, namespace: string | undefined, name: string): void;
  /** Called synchronously after each change of that resource ('*' = all), in order. Returns the undo. */
  subscribe(resource: string, listener: (event: StoreEvent) => void): () => void;
  /** Records (or counts up) an Event about an object. */
  recordEvent(
    object: KubeObject,
    event: { type: 'Normal' | 'Warning'; reason: string; message: string; component: string },
  ): void;
}

export interface ExecOptions {
  command: string[];
  stdin: boolean;
  tty: boolean;
}

/** A process in a container. With a tty, stderr is null and everything comes on stdout. */
export interface ExecProcess {
  stdin: Writable | null;
  stdout: Readable;
  stderr: Readable | null;
  /** Exit code; 128 + n after signal n. Rejects when the command could not be started. */
  exit: Promise<number>;
  resize(columns: number, rows: number): void;
  kill(): void;
}

export interface LogOptions {
  follow: boolean;
  previous: boolean;
  timestamps: boolean;
  tailLines?: number;
  sinceSeconds?: number;
  limitBytes?: number;
}

/** What the node's kubelet offers the API server's streaming endpoints. Errors are thrown as StatusError. */
export interface NodeStreams {
  exec(namespace: string, pod: string, container: string, options: ExecOptions): Promise<ExecProcess>;
  attach(
    namespace: string,
    pod: string,
    container: string,
    options: Omit<ExecOptions, 'command'>,
  ): Promise<ExecProcess>;
  logs(namespace: string, pod: string, container: string, options: LogOptions): Promise<Readable>;
  /** TCP to 127.0.0.1:port in the pod's network namespace, as a container runtime's port-forward does. allowHalfOpen. */
  dial(namespace: string, pod: string, port: number): Promise<Duplex>;
}
