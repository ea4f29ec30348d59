import type { MethodName, Params, Result } from '../protocol/contract';

/** What patches read of the wire: they import it from here only. */
export type { MethodName, Params, Result, WireDirent, WireError, WireStat } from '../protocol/contract';

/**
 * What the policy says of one call of the app. Verdicts are values with reasons; the reason shows up in the debug log
 * (`DEBUG=mirrord:*`) and in docs/compatibility.md.
 */
export type Verdict = RemoteVerdict | BypassVerdict | RefuseVerdict;

export interface RemoteVerdict {
  kind: 'remote';
}
export interface BypassVerdict {
  kind: 'bypass';
  reason: BypassReason;
}
export interface RefuseVerdict {
  kind: 'refuse';
  error: NodeJS.ErrnoException;
}

export type BypassReason =
  /** The feature is switched off in the configuration. */
  | 'feature-off'
  /** The path or address is matched by a rule of the user's configuration. */
  | 'configured-local'
  /** One of the lists of paths that stay with the client: Node's module loaders, system folders, the project. */
  | 'default-local'
  /** A relative path that does not leave the working directory. */
  | 'working-directory'
  /** A write in a mode in which writes stay with the client. */
  | 'write-stays-local'
  /** Not something with a path of the file system: a descriptor, a URL that is not file:. */
  | 'not-a-path'
  /** Loopback: a process of this session tree listens there, or the inspector. */
  | 'own-listener'
  | 'loopback'
  /** One of our own sockets: relay, API server, control socket. */
  | 'own-socket'
  /** An IP literal or an empty name needs no resolver. */
  | 'not-a-name'
  /** No session is up (any more). */
  | 'no-session';

export const REMOTE: RemoteVerdict = { kind: 'remote' };

/** Synchronous and asynchronous calls to the agent, as patches see them. Failures are `WireFailure`s. */
export interface AgentCalls {
  call<M extends MethodName>(method: M, params: Params<M>): Promise<{ result: Result<M>; raw: Uint8Array }>;
  callSync<M extends MethodName>(method: M, params: Params<M>): { result: Result<M>; raw: Uint8Array };
}

export type FileIntent = 'read' | 'write' | 'metadata';

/** What `patches/fs` gets from the runtime. */
export interface FileAccess extends AgentCalls {
  /** `path` is absolute and normalised by the patch. */
  decide(path: string, intent: FileIntent): Verdict;
  /** The path to ask the agent for: `feature.fs.mapping` applied. */
  remotePath(path: string): string;
}

/** What `patches/tcp-handle` gets from the runtime. */
export interface OutgoingAccess {
  decide(address: string, port: number, family: 4 | 6): Verdict;
  /** Loopback port of the relay in the worker. */
  readonly relayPort: number;
  /** Asks for a connection from the pod; `done` is called once, from the event loop. `hostname` if it is known from DNS. */
  connect(
    target: { address: string; port: number; hostname?: string },
    done: (outcome: ConnectOutcome) => void,
  ): { id: number; abort(): void };
  /** Tells the relay from where the connection `id` will arrive. */
  announce(id: number, sourcePort: number, sourceAddress: string): void;
  /** Something waits for the worker: keep the event loop alive (counted). */
  hold(): void;
  release(): void;
}

export type ConnectOutcome =
  | { ok: true; podAddress: { address: string; port: number; family: 4 | 6 } }
  | { ok: false; code: string };

/** What `patches/dns` gets from the runtime. */
export interface ResolverAccess extends AgentCalls {
  decide(hostname: string): Verdict;
  hold(): void;
  release(): void;
  /** Address families the pod has a route for; answers hold no others unless nothing would be left. Undefined = both. */
  readonly families?: { ipv4: boolean; ipv6: boolean };
  /** Remembers which name an address was the answer for, so that rules by name work at the handle. */
  remember(hostname: string, addresses: string[]): void;
}

/** What `patches/child-process` and `patches/worker-threads` get. */
export interface ChildAccess {
  /** Variables every child must have to attach: NODE_OPTIONS (merged with what is given) and MIRRORD_SESSION. */
  inherit(env: Record<string, string | undefined>): Record<string, string>;
}

/** Where `patches/tcp` says which ports the app listens on; what `isOwnListener` of the outgoing policy answers from. */
export interface ListenerAccess {
  opened(port: number): void;
  closed(port: number): void;
}

/** All that patches are given. A patch uses what it needs and imports nothing else of the runtime. */
export interface PatchContext {
  files: FileAccess;
  outgoing: OutgoingAccess;
  resolver: ResolverAccess;
  children: ChildAccess;
  listeners?: ListenerAccess;
  /** The pod's hostname; undefined = leave the client's. */
  hostname: string | undefined;
  /** Debug log, namespaced; never given values of variables or contents of files. */
  log(namespace: string, message: string): void;
}
