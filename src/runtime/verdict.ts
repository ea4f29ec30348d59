import type { MethodName, Params, Result, SocketAddress } from '../protocol/contract';

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
  /** Asks for a connection from the pod, from that address of it if one is named; `done` is called once, from the event loop. */
  connect(
    target: { address: string; port: number; localAddress?: string },
    done: (outcome: ConnectOutcome) => void,
  ): { id: number; abort(): void };
  /** Tells the relay from where the connection `id` will arrive. */
  announce(id: number, sourcePort: number, sourceAddress: string): void;
  /** Something waits for the worker: keep the event loop alive (counted). */
  hold(): void;
  release(): void;
}

export type ConnectOutcome =
  | { ok: true; podAddress: SocketAddress; peerAddress: SocketAddress }
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

/** What `patches/tcp` gets for servers of the app. */
export interface IncomingAccess {
  /** The port to open here for a server that asks for this one (`listen_ports`); the same where none is configured. */
  portFor(asked: number): number;
  /** Whether the server gets traffic of the pod, so that it may be opened on another port here when the one asked for is privileged. */
  takes(server: { asked: number; address: string }): boolean;
  /**
   * A server listens. Blocks until the pod's connections come to it, or it is said why they do not. The answer is to be called
   * when it listens no more.
   */
  opened(server: ListeningServer): (() => void) | undefined;
  /** Says that a server was opened on another port than it asked for. */
  moved(server: ListeningServer): void;
  /** Who is behind a connection that a server of the app has accepted from loopback, if it came from the pod. */
  peerOf(sourcePort: number, serverPort: number): { address: string; port: number; family: 4 | 6 } | undefined;
}

export interface ListeningServer {
  /** The port the app has asked for. */
  asked: number;
  address: string;
  /** The port that is open here. */
  port: number;
}

/** All that patches are given. A patch uses what it needs and imports nothing else of the runtime. */
export interface PatchContext {
  files: FileAccess;
  outgoing: OutgoingAccess;
  resolver: ResolverAccess;
  children: ChildAccess;
  listeners?: ListenerAccess;
  incoming?: IncomingAccess;
  /** The pod's hostname; undefined = leave the client's. */
  hostname: string | undefined;
  /** Debug log, namespaced; never given values of variables or contents of files. */
  log(namespace: string, message: string): void;
}
