import type { MessagePort } from 'node:worker_threads';
import type { ConfigOverrides, FeatureConfig } from '../config/types';
import type { ChosenTarget, ProgressEvent } from '../kube/types';
import type { AgentInfo, IncomingSubscription, MethodName, OpenRequest, SocketAddress } from '../protocol/contract';
import type { PlainFailure } from './failure';
import type { StartFiles } from './start-files';

/** What every process of one session tree knows of the session. Plain data, free of secrets. */
export interface SessionFacts {
  /** Undefined without a target (targetless). */
  target: ChosenTarget | undefined;
  info: AgentInfo;
  feature: FeatureConfig;
}

/** What the worker reports when the session is up. */
export interface ReadyData extends SessionFacts {
  /** The pod's variables after include and exclude; empty in an attached process, which has inherited them. */
  podEnv: Record<string, string>;
  /** Loopback port of the relay. */
  relayPort: number;
  /** Value of MIRRORD_SESSION for child processes. Holds a secret. */
  session: string;
}

/** `workerData` of the worker. */
export interface WorkerInput {
  memory: SharedArrayBuffer;
  /** Outcome of the start and replies too large for the payload; read by receiveMessageOnPort only. */
  replies: MessagePort;
  start: StartInput;
}

export type ProgressMode = 'lines' | 'warnings' | 'events' | 'off';

export type StartInput = {
  cwd: string;
  /** `lines` and `warnings` write to file descriptor 2, `events` posts to the app's thread. */
  progress: ProgressMode;
} & (
  | {
      role: 'owner';
      overrides: ConfigOverrides;
      /** Child processes will attach soon: a connection to the agent is kept ready for the first one. */
      expectsChildren?: boolean;
      /** The app's thread reads configuration and kubeconfig, and sends them. */
      sendsFiles?: boolean;
      /** Nobody reads from the terminal until the session is up: a credential plug-in may. */
      terminal?: boolean;
    }
  | { role: 'attached'; session: string }
);

export type ToWorker =
  /** Once, where the start says so. */
  | { type: 'files'; files: StartFiles | undefined }
  | { type: 'call'; id: number; sync: boolean; method: MethodName; params: unknown }
  | ({ type: 'connect'; id: number } & ConnectTarget)
  | { type: 'announce'; id: number; sourcePort: number; sourceAddress: string }
  | { type: 'abort'; id: number }
  /** A server of the app listens; answered like a synchronous call when the pod's port is subscribed. */
  | { type: 'listen'; id: number; server: AppServer }
  | { type: 'unlisten'; key: number }
  | { type: 'probe'; value: number }
  /** `hurry`: the process exits; the goodbye is sent, and nobody waits until it has arrived. */
  | { type: 'close'; hurry?: boolean };

export type FromWorker =
  | { type: 'reply'; id: number; reply: Reply }
  | { type: 'connected'; id: number; outcome: WireOutcome }
  | { type: 'progress'; event: ProgressEvent }
  /** The start has ended, well or badly; the outcome lies on the reply port. */
  | { type: 'started' }
  | { type: 'ended'; reason: PlainFailure };

/** A server of the app that gets the traffic of a port of the pod. */
export interface AppServer {
  /** Given by the app's thread. */
  key: number;
  /** Where it listens here; `0.0.0.0` and `::` mean everywhere. */
  address: string;
  port: number;
  /** Where it is said who its clients are. */
  peers: SharedArrayBuffer;
  /** Where other processes of the session find the same; undefined where there is no folder for it. */
  peersFile: string | undefined;
  /** What to ask the agent for. */
  subscription: Omit<IncomingSubscription, 'owner'>;
  /** The key of the configuration that names the pod's port, and how: `… has 8099`. Undefined when none does. */
  named: string | undefined;
}

export type Reply = { ok: true; result: unknown; raw: Uint8Array } | { ok: false; failure: PlainFailure };

/** Where a connection of the pod is to go. */
export type ConnectTarget = Omit<OpenRequest, 'kind'>;

export type WireOutcome =
  | { ok: true; podAddress: SocketAddress; peerAddress: SocketAddress }
  | { ok: false; code: string };

/** Messages on the reply port. */
export type OnReplyPort =
  | { type: 'step'; text: string }
  | { type: 'ready'; ready: ReadyData }
  | { type: 'failed'; failure: PlainFailure; onFailure: 'exit' | 'continue' | undefined }
  | { type: 'reply'; id: number; reply: Reply };
