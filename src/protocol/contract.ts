/**
 * Everything client and agent say to each other: call methods, stream kinds, events. Both halves import these types and
 * nothing else of each other. A method that is added later names the protocol version that added it.
 */

/** Stat fields as the kernel has them: bigint, times in nanoseconds since the epoch. */
export interface WireStat {
  dev: bigint;
  ino: bigint;
  mode: bigint;
  nlink: bigint;
  uid: bigint;
  gid: bigint;
  rdev: bigint;
  size: bigint;
  blksize: bigint;
  blocks: bigint;
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  birthtimeNs: bigint;
}

/** Values of `UV_DIRENT_*`: 0 unknown, 1 file, 2 directory, 3 link, 4 fifo, 5 socket, 6 char, 7 block. */
export type DirentType = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

export interface WireDirent {
  name: string;
  type: DirentType;
  /** Relative to the directory that was read; '' for its own entries. Only other than '' with `recursive`. */
  parent: string;
}

/** A system error as Node would build it: only what Node's own error of that call carries. */
export interface WireError {
  code: string;
  errno?: number;
  syscall?: string;
  path?: string;
  hostname?: string;
  /** Text for errors that are not of the system, such as a refused call. */
  message?: string;
}

export interface SocketAddress {
  address: string;
  port: number;
  family: 4 | 6;
}

/** What the agent tells of itself and its target. */
export interface AgentInfo {
  agentVersion: string;
  nodeVersion: string;
  /** Hostname of the target's UTS namespace. */
  hostname: string;
  /** False when there is no target (targetless). */
  targeted: boolean;
  /** Whether the pod has an address and a route of that family beyond loopback. */
  families: { ipv4: boolean; ipv6: boolean };
  /** Process id of the target's main process as the agent sees it; 0 without a target. */
  targetPid: number;
}

/**
 * Calls from the client. `raw` says that the answer (or the request) carries bytes in the raw trailer beside the CBOR.
 * Paths are absolute paths in the target's root.
 */
export interface CallMethods {
  info: { params: Record<string, never>; result: AgentInfo };
  env: {
    /** Wildcards `*` and `?`, matched against the whole name. An empty `include` means all. */
    params: { include: string[]; exclude: string[] };
    result: { env: Record<string, string> };
  };
  /** One round trip: open, stat, read all, close. raw = the bytes. EFBIG over 2 GiB as in Node (ERR_FS_FILE_TOO_LARGE is made by the client). */
  'fs.readFile': { params: { path: string; flags?: number; maxBytes?: number }; result: { stat: WireStat } };
  /** Ranged read of a path; raw = at most `length` bytes from `position`. Short or empty at the end of the file. */
  'fs.read': { params: { path: string; position: number; length: number }; result: Record<string, never> };
  'fs.stat': { params: { path: string }; result: { stat: WireStat } };
  'fs.lstat': { params: { path: string }; result: { stat: WireStat } };
  'fs.access': { params: { path: string; mode: number }; result: Record<string, never> };
  'fs.readdir': { params: { path: string; recursive?: boolean }; result: { entries: WireDirent[] } };
  'fs.realpath': { params: { path: string }; result: { path: string } };
  'fs.readlink': { params: { path: string }; result: { target: string } };
  'fs.statfs': {
    params: { path: string };
    result: {
      type: bigint;
      bsize: bigint;
      blocks: bigint;
      bfree: bigint;
      bavail: bigint;
      files: bigint;
      ffree: bigint;
    };
  };
  /** `getaddrinfo` in the pod: hosts file, search list and name servers of the target. */
  'dns.lookup': {
    params: { hostname: string; family: 0 | 4 | 6; hints: number; order: 'verbatim' | 'ipv4first' | 'ipv6first' };
    result: { addresses: { address: string; family: 4 | 6 }[] };
  };
  'dns.lookupService': {
    params: { address: string; port: number };
    result: { hostname: string; service: string };
  };
  /** c-ares queries: `rrtype` as `dns.resolve` names it (`A`, `SRV`, …), `PTR` by name, or `REVERSE` by address. */
  'dns.resolve': {
    params: { hostname: string; rrtype: string; ttl?: boolean };
    /** What `dns.promises.resolve*` gives for that type. */
    result: { records: unknown };
  };
  /**
   * Takes a port's incoming traffic. Refused with PORT_STOLEN (who has it, from where, since when), PORT_UNKNOWN (what the pod
   * listens on), INCOMING_UNSUPPORTED (why this agent cannot) or BAD_PARAMETERS. From the answer on new connections are taken; those that stand stay where they are.
   */
  'incoming.subscribe': { params: IncomingSubscription; result: IncomingSubscribed };
  /** New connections stay with the pod; what is in flight goes on. An unknown subscription is no error. */
  'incoming.unsubscribe': { params: { subscription: number }; result: Record<string, never> };
}

/** Exactly one of the fields. Regular expressions match anywhere and ignore case. */
export interface HttpFilter {
  /** On each `name: value`. */
  header?: string;
  /** On the path, then on the path with its query. */
  path?: string;
  /** The whole method, in any case. */
  method?: string;
  /** On the values that a JSON path finds in a JSON body of at most 64 KiB. */
  body?: { query: string; matches: string };
  allOf?: HttpFilter[];
  anyOf?: HttpFilter[];
}

export interface IncomingSubscription {
  /** The pod's port, 1 to 65535. */
  port: number;
  mode: 'steal' | 'mirror';
  filter?: HttpFilter;
  /** What to do when someone else steals the port and the two cannot stand side by side. Of no matter to `mirror`. */
  onConcurrentSteal: 'abort' | 'continue' | 'override';
  /** Connections to the port that stand are closed, so that they come again and are taken. */
  flush?: boolean;
  /** Health checks of the kubelet stay with the pod. */
  keepProbes: boolean;
  /** Where a stolen request goes when the client refuses it; otherwise 502, or a reset. */
  fallback?: 'pod';
  /** Refused with PORT_UNKNOWN when nothing in the pod listens on the port. */
  mustListen?: boolean;
  /** Who subscribes, for the messages others get. */
  owner: string;
}

export interface IncomingSubscribed {
  subscription: number;
  /** With `override`: who lost the port. */
  replaced?: string[];
}

export type MethodName = keyof CallMethods;
export type Params<M extends MethodName> = CallMethods[M]['params'];
export type Result<M extends MethodName> = CallMethods[M]['result'];

/** Metadata of OPEN from the client, by kind. */
export type OpenRequest = {
  kind: 'tcp';
  host: string;
  port: number;
  /** The address of the pod to connect from. An agent that does not know the field leaves the choice to the kernel. */
  localAddress?: string;
};

/** Metadata of OPEN from the agent: a connection that was taken. The client answers with `{}`, or refuses (ECONNREFUSED). */
export interface IncomingConnection {
  kind: 'incoming';
  subscription: number;
  mode: 'steal' | 'mirror';
  /** The pod's port. */
  port: number;
  /** Who connected, and to what. */
  peerAddress: SocketAddress;
  podAddress: SocketAddress;
  /** What its bytes are, where the agent has looked. */
  http?: 'http1' | 'http2';
}

/** Events from the agent. */
export interface AgentEvents {
  /** The agent gave a subscription up: another one took it over, or the rules are gone. */
  'incoming.ended': { subscription: number; reason: string };
}

/** Metadata of ACCEPT for `tcp`. */
export interface OpenAnswer {
  /** The address the connection has in the pod. */
  podAddress: SocketAddress;
  /** The address it is connected to. */
  peerAddress: SocketAddress;
}
