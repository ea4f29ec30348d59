import type { HttpFilter } from '../protocol/contract';
import type { TargetKind } from './target-kinds';

export type { HttpFilter, TargetKind };

/** The configuration after everything was read, merged, checked and given its defaults. */
export interface ResolvedConfig {
  target: Target;
  /** One agent on the best pod of the target, or one on each. */
  replicas: 'one' | 'all';
  /** Namespace of the target; undefined = the one of the kubeconfig context. */
  namespace: string | undefined;
  /** Path or `:`-separated list; undefined = KUBECONFIG, then ~/.kube/config. */
  kubeconfig: string | undefined;
  context: string | undefined;
  acceptInvalidCertificates: boolean;
  agent: AgentConfig;
  feature: FeatureConfig;
  /** What to do when the session cannot be started. */
  onFailure: 'exit' | 'continue';
  /** Where a key was given, for messages: `target` → `MIRRORD_TARGET` or `/app/mirrord.json`. */
  sources: Record<string, string>;
}

export interface NamedTarget {
  kind: TargetKind;
  /** Of kind `label`: the selector, `key=value,…`. */
  name: string;
  container: string | undefined;
}
export type Target = { kind: 'targetless' } | NamedTarget;

export interface AgentConfig {
  image: string;
  imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  imagePullSecrets: { name: string }[];
  /** Namespace of the agent's Job; undefined = the target's. */
  namespace: string | undefined;
  /** Seconds from creation of the Job until it must serve. Default 60. */
  startupTimeout: number;
  /** Seconds the agent waits for its first client. Default 30. */
  communicationTimeout: number;
  /** Seconds the agent stays after its last session has gone. Default 60, 0 when CI is set. */
  idleTimeout: number;
  /** Seconds a session whose link is lost can be resumed. Default 60. */
  grace: number;
  /** Seconds the finished Job stays. Default 1. */
  ttl: number;
  /** Seconds after which Kubernetes ends the Job in any case. Default 86,400. */
  deadline: number;
  privileged: boolean;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  tolerations: Record<string, unknown>[];
  resources: { requests?: Record<string, string>; limits?: Record<string, string> };
  serviceAccount: string | undefined;
  priorityClass: string | undefined;
  nodeSelector: Record<string, string> | undefined;
  /** A container inside the target's pod instead of a Job beside it. */
  ephemeral: boolean;
  /** Capabilities the agent is not given, of those it asks for. */
  disabledCapabilities: string[];
  /** `appArmorProfile` and `seccompProfile` of the agent, as Kubernetes has them. */
  securityContext: Record<string, unknown> | undefined;
  /** When a node refuses the agent, count its pods for the message. */
  checkOutOfPods: boolean;
  /** Keep service meshes from putting a proxy into the agent's pod. */
  disableMeshSidecarInjection: boolean;
  /** Of the agent's resolver: seconds for each try, and tries. */
  dns: { timeout?: number; attempts?: number };
  /** `ADDRESS:PORT` of the agent's pod where it tells its counts in the form of Prometheus. */
  metrics: string | undefined;
  /** Traffic rules by nftables alone, or by iptables alone. Default: the first that works. */
  nftables: boolean | undefined;
  /** Seconds a client on a stolen port may be silent before the application is asked who speaks first. Default 0.2. */
  httpDetectionTimeout: number | undefined;
  /** Bytes of a body that a filter looks at, and milliseconds it waits for them. Default 64 KiB and 1,000. */
  maxBodyBufferSize: number | undefined;
  maxBodyBufferTimeout: number | undefined;
  logLevel: 'error' | 'warn' | 'info' | 'debug';
  /** Lines of its log as JSON. */
  jsonLog: boolean;
}

export interface FeatureConfig {
  env: EnvConfig;
  fs: FsConfig;
  network: {
    outgoing: OutgoingConfig;
    dns: { enabled: boolean; filter: AddressFilter | undefined };
    incoming: IncomingConfig;
  };
  hostname: boolean;
}

export interface EnvConfig {
  enabled: boolean;
  include: string[];
  exclude: string[];
  override: Record<string, string>;
  unset: string[];
  mapping: Record<string, string>;
  envFile: string | undefined;
}

export interface FsConfig {
  mode: 'local' | 'localwithoverrides' | 'read' | 'write';
  /** Sources of case-insensitive regular expressions. */
  readOnly: string[];
  readWrite: string[];
  local: string[];
  notFound: string[];
  mapping: Record<string, string>;
}

export interface OutgoingConfig {
  tcp: boolean;
  udp: boolean;
  ignoreLocalhost: boolean;
  filter: AddressFilter | undefined;
}

export interface IncomingConfig {
  mode: 'off' | 'mirror' | 'steal';
  httpFilter: HttpFilter | undefined;
  /** Ports of the pod the filter is for; undefined = all. */
  httpFilterPorts: number[] | undefined;
  /** Port the app asks for, and the pod's port that belongs to it where they differ. */
  portMapping: [asked: number, podPort: number][];
  /** Port the app asks for, and the port that is opened here in its place. */
  listenPorts: [asked: number, opened: number][];
  /** Ports the app asks for that stay here; `ports`: the only ones that do not. */
  ignorePorts: number[];
  ports: number[] | undefined;
  /** Servers on a loopback address stay here. */
  ignoreLocalhost: boolean;
  onConcurrentSteal: 'abort' | 'continue' | 'override';
  /** Where stolen requests go that nobody here takes; undefined = they fail. */
  fallback: 'pod' | undefined;
  /** Health checks of the kubelet stay with the pod. */
  keepProbes: boolean;
  /** Whether a port of the pod that could not be had ends the app. */
  onFailure: 'exit' | 'continue';
  /** `agent.flush_connections`: connections to the pod that stand are closed, so that they come again. */
  flush: boolean;
}

/** Only these go through the pod, or only these stay; entries as in mirrord's filter syntax. */
export type AddressFilter = { remote: string[] } | { local: string[] };

/** What `startSession()` and the command line may give on top of files and environment. */
export interface ConfigOverrides {
  target?: string | { path: string; namespace?: string; replicas?: 'one' | 'all' };
  namespace?: string;
  configFile?: string;
  context?: string;
  kubeconfig?: string;
  [key: string]: unknown;
}
