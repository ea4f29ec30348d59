import { VERSION } from '../version';
import type { AgentConfig, FeatureConfig } from './types';

/** The agent of the same version as this client. */
export const DEFAULT_AGENT_IMAGE = `mirrord-node/agent:${VERSION}`;

/** Seconds; a continuous integration run has nobody who restarts the app, so its agent need not wait. */
export function defaultIdleTimeout(env: NodeJS.ProcessEnv): number {
  return env.CI && env.CI !== 'false' && env.CI !== '0' ? 0 : 60;
}

export function defaultAgent(env: NodeJS.ProcessEnv): AgentConfig {
  return {
    image: DEFAULT_AGENT_IMAGE,
    imagePullPolicy: 'IfNotPresent',
    imagePullSecrets: [],
    namespace: undefined,
    startupTimeout: 60,
    communicationTimeout: 30,
    idleTimeout: defaultIdleTimeout(env),
    grace: 60,
    ttl: 1,
    deadline: 86_400,
    privileged: false,
    labels: {},
    annotations: {},
    tolerations: [{ operator: 'Exists' }],
    // Requests are written out, because a namespace's LimitRange would otherwise fill in its own.
    resources: { requests: { cpu: '1m', memory: '1Mi' }, limits: { cpu: '1', memory: '512Mi' } },
    serviceAccount: undefined,
    priorityClass: undefined,
    nodeSelector: undefined,
    ephemeral: false,
    disabledCapabilities: [],
    securityContext: undefined,
    checkOutOfPods: true,
    disableMeshSidecarInjection: true,
    dns: {},
    metrics: undefined,
    nftables: undefined,
    httpDetectionTimeout: undefined,
    maxBodyBufferSize: undefined,
    maxBodyBufferTimeout: undefined,
    logLevel: 'info',
    jsonLog: false,
  };
}

export function defaultFeature(): FeatureConfig {
  return {
    env: {
      enabled: true,
      include: [],
      exclude: [],
      override: {},
      unset: [],
      mapping: {},
      envFile: undefined,
    },
    fs: { mode: 'read', readOnly: [], readWrite: [], local: [], notFound: [], mapping: {} },
    network: {
      outgoing: { tcp: true, udp: true, ignoreLocalhost: false, filter: undefined },
      dns: { enabled: true, filter: undefined },
      incoming: {
        mode: 'mirror',
        httpFilter: undefined,
        httpFilterPorts: undefined,
        portMapping: [],
        listenPorts: [],
        ignorePorts: [],
        ports: undefined,
        ignoreLocalhost: false,
        onConcurrentSteal: 'abort',
        fallback: undefined,
        keepProbes: true,
        onFailure: 'continue',
        flush: false,
      },
    },
    hostname: true,
  };
}
