import type { IncomingConnection, MethodName, OpenAnswer, OpenRequest, Params, Result, WireError } from './contract';

/** One answer: the CBOR part and, where the method has one, the raw trailer (empty otherwise). */
export interface CallAnswer<M extends MethodName = MethodName> {
  result: Result<M>;
  raw: Uint8Array;
}

export interface CallOptions {
  /** Milliseconds; rejects with code CALL_TIMEOUT and cancels the call on the other side. Default 30 s. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** How a stream ended before its time: a system error code such as ECONNRESET, and a text. */
export interface StreamReset {
  code: string;
  message?: string;
  /** Nobody reset this stream: the session has ended. */
  sessionOver?: boolean;
}

/**
 * One byte stream inside a link. Half-close both ways, credit on consumption.
 *
 * `data` hands over a chunk; the owner says `consumed(bytes)` when it has passed it on, which is what grants new credit.
 */
export interface MuxStream {
  readonly id: number;
  /** Metadata of ACCEPT; known when `open` has resolved. */
  readonly answer: OpenAnswer;
  /** Bytes that were written and wait for credit or for the link. */
  readonly queued: number;
  /** Sends; true = go on, false = wait for `onDrain`. Data is accepted in any case and kept in order. */
  write(chunk: Uint8Array): boolean;
  /** Half-close after all that was written. */
  end(): void;
  /** Ends both directions at once. Code as of Node, e.g. 'ECONNRESET'. */
  reset(code: string, message?: string): void;
  consumed(bytes: number): void;
  onData: (chunk: Uint8Array) => void;
  onEnd: () => void;
  onReset: (reset: StreamReset) => void;
  onDrain: () => void;
  /** Both directions are done, or reset. Called once, last. */
  onClose: () => void;
}

/** An incoming OPEN: answer it with accept or refuse. */
export interface StreamRequest<Q = OpenRequest, A = OpenAnswer> {
  readonly id: number;
  readonly metadata: Q;
  accept(answer: A): MuxStream;
  refuse(error: WireError): void;
  /** The opener went away (RESET) before an answer. */
  onAbort: () => void;
}

/** A connection that the agent hands to the client. */
export type IncomingRequest = StreamRequest<IncomingConnection, Record<string, never>>;

/** What the client half offers its users (bridge worker): implemented by `tunnel/`. */
export interface AgentLink {
  call<M extends MethodName>(method: M, params: Params<M>, options?: CallOptions): Promise<CallAnswer<M>>;
  /** Rejects with a `WireFailure` when the agent refuses, e.g. ECONNREFUSED. */
  open(metadata: OpenRequest, signal?: AbortSignal): Promise<MuxStream>;
  /** Who takes the connections that the agent hands over. Without one they are refused. */
  onOpen(handler: (request: IncomingRequest) => void): void;
  onEvent(handler: (name: string, data: unknown, raw: Uint8Array) => void): void;
  /**
   * Where a session can have several agents, or move from one to another: called for each link that takes traffic of the pods,
   * those there are and those to come. `pod` names the target's pod of all but the first.
   */
  onAgent?(handler: AgentHandler): void;
  /** Bytes given to the transport that this process still holds. */
  readonly unsent?: number;
  /** Ends the session for good: GOAWAY, then the transport. */
  close(): Promise<void>;
  /** Settles when the session is over: undefined after close(), else the reason. */
  readonly closed: Promise<Error | undefined>;
}

export type AgentHandler = (link: AgentLink, pod: string | undefined) => void;

/** An error that came over the wire; `wire` is what the other side said. */
export class WireFailure extends Error {
  readonly code: string;
  readonly wire: WireError;
  constructor(wire: WireError) {
    super(wire.message ?? wire.code);
    this.name = 'WireFailure';
    this.code = wire.code;
    this.wire = wire;
  }
}
