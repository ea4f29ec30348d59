import type { AgentConfig } from '../config/types';
import { parseContainerId } from './choose-container';
import type { Container } from './objects';
import type { ChosenTarget } from './types';

export const TOKEN_VARIABLE = 'MIRRORD_AGENT_TOKEN';
export const CONTAINER_NAME = 'mirrord-agent';

/** Group id the agent runs with, so that traffic rules can exempt its own connections. */
const AGENT_GROUP = 30_517;

/** How a client reaches an agent. */
export interface AgentAddress {
  port: number;
  token: string;
}

/** What is the same of an agent in a Job and of one in the target's pod. */
export function agentContainer(config: AgentConfig, { port, token }: AgentAddress, args: string[]) {
  return {
    image: config.image,
    imagePullPolicy: config.imagePullPolicy,
    // The image's own command; arguments begin the same way always, because admission rules match them by prefix.
    args: ['--port', String(port), ...args],
    env: Object.entries({
      [TOKEN_VARIABLE]: token,
      MIRRORD_AGENT_IDLE_TIMEOUT: String(config.idleTimeout),
      MIRRORD_AGENT_COMMUNICATION_TIMEOUT: String(config.communicationTimeout),
      MIRRORD_AGENT_GRACE: String(config.grace),
      MIRRORD_AGENT_LOG_LEVEL: config.logLevel,
      ...(config.metrics && { MIRRORD_AGENT_METRICS: config.metrics }),
      ...(config.jsonLog && { MIRRORD_AGENT_LOG_JSON: 'true' }),
      ...incomingSettings(config),
      ...resolverOptions(config),
    }).map(([name, value]) => ({ name, value })),
  };
}

/** What is not given is the agent's own default. */
function incomingSettings(config: AgentConfig): Record<string, string> {
  const { nftables, httpDetectionTimeout: seconds, maxBodyBufferSize: size, maxBodyBufferTimeout: timeout } = config;
  return {
    ...(nftables !== undefined && { MIRRORD_AGENT_NFTABLES: String(nftables) }),
    ...(seconds !== undefined && { MIRRORD_AGENT_HTTP_DETECTION_TIMEOUT_MS: String(Math.round(seconds * 1000)) }),
    ...(size !== undefined && { MIRRORD_AGENT_MAX_BODY_BUFFER_SIZE: String(size) }),
    ...(timeout !== undefined && { MIRRORD_AGENT_MAX_BODY_BUFFER_TIMEOUT: String(timeout) }),
  };
}

/** Both resolvers of Node read this variable after resolv.conf: the C library's and c-ares. */
function resolverOptions({ dns: { timeout, attempts } }: AgentConfig): Record<string, string> {
  const options = [timeout && `timeout:${timeout}`, attempts && `attempts:${attempts}`].filter(Boolean);
  return options.length > 0 ? { RES_OPTIONS: options.join(' ') } : {};
}

/** @throws MirrordError TARGET_RUNTIME_UNSUPPORTED */
export function targetArgs({ containerId, hostNetwork }: ChosenTarget): string[] {
  const { runtime, id } = parseContainerId(containerId);
  const args = ['targeted', '--container-id', id, '--container-runtime', runtime];
  return hostNetwork ? [...args, '--host-network'] : args;
}

/** Adds to the runtime's default set and drops nothing of it: some of its members are needed to read files of any owner. */
export function securityContext(config: AgentConfig, wanted: string[]) {
  if (config.privileged) return { privileged: true, runAsGroup: AGENT_GROUP };
  const add = wanted.filter((name) => !config.disabledCapabilities.includes(name));
  return { runAsGroup: AGENT_GROUP, ...(add.length > 0 && { capabilities: { add } }) };
}

/** Reads port and token out of an agent's container; undefined when it is none of this form. */
export function readAgentContainer(container: Container | undefined): (AgentAddress & { image: string }) | undefined {
  const token = container?.env?.find(({ name }) => name === TOKEN_VARIABLE)?.value;
  const args = container?.args ?? [];
  const port = Number(args[args.indexOf('--port') + 1]);
  return token && Number.isInteger(port) && port > 0 ? { port, token, image: container?.image ?? '' } : undefined;
}
