import { nearestWord } from '../errors';
import { addValue, type Layer } from './flatten';
import { isSection, rootSection, type Section, type Setting } from './schema';

/**
 * Environment variable to setting. Names are those of the native tool where it has one. Later entries win when two variables
 * name the same setting.
 */
const VARIABLES: Record<string, string> = {
  MIRRORD_IMPERSONATED_TARGET: 'target.path',
  MIRRORD_TARGET: 'target.path',
  MIRRORD_TARGET_NAMESPACE: 'target.namespace',
  MIRRORD_TARGET_REPLICAS: 'target.replicas',
  MIRRORD_KUBECONFIG: 'kubeconfig',
  MIRRORD_KUBE_CONTEXT: 'kube_context',
  MIRRORD_ACCEPT_INVALID_CERTIFICATES: 'accept_invalid_certificates',
  MIRRORD_ON_FAILURE: 'on_failure',
  MIRRORD_AGENT_IMAGE: 'agent.image',
  MIRRORD_AGENT_IMAGE_PULL_POLICY: 'agent.image_pull_policy',
  MIRRORD_AGENT_NAMESPACE: 'agent.namespace',
  MIRRORD_AGENT_STARTUP_TIMEOUT: 'agent.startup_timeout',
  MIRRORD_AGENT_COMMUNICATION_TIMEOUT: 'agent.communication_timeout',
  MIRRORD_AGENT_IDLE_TIMEOUT: 'agent.idle_timeout',
  MIRRORD_AGENT_GRACE: 'agent.grace',
  MIRRORD_AGENT_TTL: 'agent.ttl',
  MIRRORD_AGENT_DEADLINE: 'agent.deadline',
  MIRRORD_AGENT_PRIVILEGED: 'agent.privileged',
  MIRRORD_AGENT_SERVICE_ACCOUNT: 'agent.service_account',
  MIRRORD_AGENT_PRIORITY_CLASS: 'agent.priority_class',
  MIRRORD_AGENT_RUST_LOG: 'agent.log_level',
  MIRRORD_AGENT_LOG_LEVEL: 'agent.log_level',
  MIRRORD_AGENT_JSON_LOG: 'agent.json_log',
  MIRRORD_AGENT_HTTP_DETECTION_TIMEOUT: 'agent.http_detection_timeout',
  MIRRORD_AGENT_EXCLUDE_FROM_MESH: 'agent.exclude_from_mesh',
  MIRRORD_AGENT_EXTERNAL_IP_FIX: 'agent.external_ip_fix',
  MIRRORD_AGENT_CLEAN_IPTABLES_ON_START: 'agent.clean_iptables_on_start',
  MIRRORD_EPHEMERAL_CONTAINER: 'agent.ephemeral',
  MIRRORD_OVERRIDE_ENV_VARS_INCLUDE: 'feature.env.include',
  MIRRORD_OVERRIDE_ENV_VARS_EXCLUDE: 'feature.env.exclude',
  MIRRORD_OVERRIDE_ENV_VARS_FILE: 'feature.env.env_file',
  MIRRORD_FILE_MODE: 'feature.fs.mode',
  MIRRORD_FILE_READ_ONLY_PATTERN: 'feature.fs.read_only',
  MIRRORD_FILE_READ_WRITE_PATTERN: 'feature.fs.read_write',
  MIRRORD_FILE_LOCAL_PATTERN: 'feature.fs.local',
  MIRRORD_TCP_OUTGOING: 'feature.network.outgoing.tcp',
  MIRRORD_UDP_OUTGOING: 'feature.network.outgoing.udp',
  MIRRORD_OUTGOING_IGNORE_LOCALHOST: 'feature.network.outgoing.ignore_localhost',
  MIRRORD_REMOTE_DNS: 'feature.network.dns.enabled',
  MIRRORD_HTTP_HEADER_FILTER: 'feature.network.incoming.http_filter.header_filter',
  MIRRORD_HTTP_PATH_FILTER: 'feature.network.incoming.http_filter.path_filter',
  MIRRORD_HTTP_METHOD_FILTER: 'feature.network.incoming.http_filter.method_filter',
  MIRRORD_HTTP_HEADER_FILTER_JQ: 'feature.network.incoming.http_filter.header_filter_jq',
  MIRRORD_HTTP_FILTER_PORTS: 'feature.network.incoming.http_filter.ports',
  MIRRORD_OPERATOR_ON_CONCURRENT_STEAL: 'feature.network.incoming.on_concurrent_steal',
};

/** Variables of the native tool that ask for something this version does not do. */
const INACTIVE = [
  'MIRRORD_OPERATOR_ENABLE',
  'MIRRORD_OUTGOING_REMOTE_UNIX_STREAMS',
  'MIRRORD_SKIP_PROCESSES',
  'MIRRORD_SKIP_BUILD_TOOLS',
  'MIRRORD_SKIP_EXTRA_BUILD_TOOLS',
  'MIRRORD_PROXY',
  'MIRRORD_ENABLE_IPV6',
];

/** Names that are near to a setting's, and are read elsewhere. */
const OTHERS = ['MIRRORD_CONFIG_FILE', 'MIRRORD_FILE_OPS', 'MIRRORD_FILE_RO_OPS', 'MIRRORD_AGENT_IMAGE_TAG'];

/**
 * Settings from environment variables. Empty variables count as not set.
 *
 * @throws MirrordError CONFIG_INVALID_VALUE
 */
export function readEnvironment(env: NodeJS.ProcessEnv): Layer {
  const layer: Layer = { values: new Map(), warnings: [] };
  readLegacy(env, layer);
  for (const [name, path] of Object.entries(VARIABLES)) {
    const text = env[name];
    if (text) addText(layer, path, text, name);
  }
  for (const name of INACTIVE.filter((name) => env[name] && env[name] !== 'false')) {
    layer.warnings.push(`${name} is not part of this version and has no effect.`);
  }
  warnOfTypos(env, layer);
  return layer;
}

/** Forms of the native tool in which a variable is not the setting's value itself. */
function readLegacy(env: NodeJS.ProcessEnv, layer: Layer): void {
  if (env.MIRRORD_FILE_RO_OPS === 'true') addText(layer, 'feature.fs.mode', 'read', 'MIRRORD_FILE_RO_OPS');
  if (env.MIRRORD_FILE_OPS === 'true') addText(layer, 'feature.fs.mode', 'write', 'MIRRORD_FILE_OPS');
  const steal = env.MIRRORD_AGENT_TCP_STEAL_TRAFFIC;
  if (steal) {
    const mode = { true: 'steal', false: 'off' }[steal] ?? steal;
    addText(layer, 'feature.network.incoming.mode', mode, 'MIRRORD_AGENT_TCP_STEAL_TRAFFIC');
  }
  const { MIRRORD_AGENT_IMAGE_REGISTRY: registry, MIRRORD_AGENT_IMAGE_TAG: tag } = env;
  if (registry && tag) addText(layer, 'agent.image', `${registry}:${tag}`, 'MIRRORD_AGENT_IMAGE_REGISTRY');
}

function addText(layer: Layer, path: string, text: string, variable: string): void {
  const node = settingAt(path);
  addValue(layer, node, path, node.type.fromText ? node.type.fromText(text) : text, variable);
}

function settingAt(path: string): Setting {
  let node: Setting | Section = rootSection;
  for (const key of path.split('.')) node = (node as Section).keys[key]!;
  if (isSection(node)) throw new TypeError(`${path} is a section`);
  return node;
}

/** A misspelt variable would otherwise be silently without effect. */
function warnOfTypos(env: NodeJS.ProcessEnv, layer: Layer): void {
  const known = [...Object.keys(VARIABLES), ...INACTIVE, ...OTHERS];
  for (const name of Object.keys(env)) {
    if (!/^MIRRORD_(AGENT|TARGET|KUBE|FILE|OVERRIDE|REMOTE|TCP|UDP|HTTP|ACCEPT|ON)/.test(name) || known.includes(name))
      continue;
    const near = nearestWord(name, known);
    if (near) layer.warnings.push(`Environment variable ${name} is not known. Did you mean ${near}?`);
  }
}
