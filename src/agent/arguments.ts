import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { MirrordError } from '../errors';
import { LOG_LEVELS, type LogLevel } from './log';

/** What the command line and the environment say. Times in seconds. */
export interface AgentSettings {
  port: number;
  target: TargetRequest | undefined;
  token: string;
  idleTimeout: number;
  communicationTimeout: number;
  grace: number;
  logLevel: LogLevel;
  logJson: boolean;
  /** Where the agent's own pod answers for its counts. */
  metrics: MetricsAddress | undefined;
}

export interface MetricsAddress {
  host: string;
  port: number;
}

export interface TargetRequest {
  containerId: string;
  /** The pod uses the node's own network: without saying so, a process there is refused. */
  hostNetwork: boolean;
  /** The agent runs inside the target's pod: it is in its network already, and resolv.conf and hosts are the pod's. */
  ephemeral: boolean;
  /** All containers of the pod share one process namespace, so its first process is nobody's application. */
  sharedProcesses: boolean;
}

const HINT = 'Usage: node agent.cjs --port PORT targeted --container-id ID | node agent.cjs --port PORT targetless';

const invalid = (text: string): MirrordError => new MirrordError('AGENT_ARGUMENTS_INVALID', text, { hint: HINT });

/** Throws a MirrordError AGENT_ARGUMENTS_INVALID that names the argument or variable; the token's value is never named. */
export function readSettings(args: string[], env: NodeJS.ProcessEnv): AgentSettings {
  const { values, positionals } = parse(args);
  const [mode, ...rest] = positionals;
  if ((mode !== 'targeted' && mode !== 'targetless') || rest.length > 0) {
    throw invalid(`expected one of "targeted" and "targetless", got "${positionals.join(' ')}"`);
  }
  const token = env.MIRRORD_AGENT_TOKEN ?? '';
  if (!/^[0-9a-f]{32,}$/i.test(token)) {
    throw invalid(`MIRRORD_AGENT_TOKEN must be at least 32 hexadecimal digits, got ${token.length} characters`);
  }
  return {
    port: wholeNumber('--port', values.port, 65_535),
    target: mode === 'targeted' ? readTarget(values) : undefined,
    token,
    idleTimeout: seconds(env, 'MIRRORD_AGENT_IDLE_TIMEOUT', 60),
    communicationTimeout: seconds(env, 'MIRRORD_AGENT_COMMUNICATION_TIMEOUT', 30),
    grace: seconds(env, 'MIRRORD_AGENT_GRACE', 60),
    logLevel: readLogLevel(env.MIRRORD_AGENT_LOG_LEVEL),
    logJson: ['1', 'true'].includes(env.MIRRORD_AGENT_LOG_JSON ?? ''),
    metrics: readMetricsAddress(env.MIRRORD_AGENT_METRICS),
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        port: { type: 'string' },
        'container-id': { type: 'string' },
        // Taken and not used: the id alone is enough to find the container, whatever runs it.
        'container-runtime': { type: 'string' },
        'host-network': { type: 'boolean', default: false },
        ephemeral: { type: 'boolean', default: false },
        'shared-processes': { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw invalid((error as Error).message);
  }
}

function readTarget(values: ReturnType<typeof parse>['values']): TargetRequest {
  const containerId = values['container-id'] ?? '';
  if (!/^[0-9a-f]{64}$/.test(containerId)) {
    throw invalid(`--container-id must be 64 lower-case hexadecimal digits, got "${containerId}"`);
  }
  return {
    containerId,
    hostNetwork: values['host-network'] === true,
    ephemeral: values.ephemeral === true,
    sharedProcesses: values['shared-processes'] === true,
  };
}

function wholeNumber(name: string, text: string | undefined, max: number): number {
  const value = text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= max)) throw invalid(`${name} must be a whole number from 0 to ${max}, got "${text ?? 'nothing'}"`);
  return value;
}

/** Up to a day: the Job's own deadline ends it before. */
function seconds(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name];
  return text === undefined || text === '' ? fallback : wholeNumber(name, text, 86_400);
}

function readMetricsAddress(text = ''): MetricsAddress | undefined {
  if (text === '') return undefined;
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? '';
  if (isIP(host) === 0) throw invalid(`MIRRORD_AGENT_METRICS must be ADDRESS:PORT, got "${text}"`);
  return { host, port: wholeNumber('the port of MIRRORD_AGENT_METRICS', port, 65_535) };
}

function readLogLevel(text = 'info'): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text);
  if (!level) throw invalid(`MIRRORD_AGENT_LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}, got "${text}"`);
  return level;
}
