import { capabilities, resolverLimits, secondsBetween, securityProfiles, socketAddress } from './agent-values';
import { incomingSection } from './schema-incoming';
import {
  anything,
  boolean,
  integer,
  isPlainObject,
  objectList,
  oneOf,
  patternList,
  patternMap,
  string,
  stringList,
  stringMap,
  type ValueType,
} from './value-types';

/** A setting. With `inactive`, the key is accepted and the text says, as a warning, what it does not do. */
export interface Setting {
  type: ValueType;
  inactive?: string | ((value: unknown) => string | undefined);
}

/** An object of settings. `shorthand` turns a value that is no object, such as `false`, into one. */
export interface Section {
  keys: Record<string, Setting | Section>;
  shorthand?: (value: unknown) => Record<string, unknown> | undefined;
  expected?: string;
  /** It has to have at least one key. */
  notEmpty?: true;
}

export const isSection = (node: Setting | Section): node is Section => 'keys' in node;

const LATER = 'is not part of this version and has no effect';
const OPERATOR = 'needs the operator of the native tool and has no effect here';
const NATIVE = 'belongs to how the native tool works and has no effect here';

const setting = (type: ValueType): Setting => ({ type });
const inactive = (...names: string[]): Record<string, Setting> => inactiveBecause(LATER, ...names);
const inactiveBecause = (why: string, ...names: string[]): Record<string, Setting> =>
  Object.fromEntries(names.map((name) => [name, { type: anything, inactive: why }]));

const toggle = (on: Record<string, unknown>, off: Record<string, unknown>) => (value: unknown) =>
  value === true ? on : value === false ? off : undefined;

/** `trace` and Rust-style directives (`mirrord=debug,warn`) come from files that are shared with the native tool. */
const logLevel: ValueType<string> = {
  expected: 'one of "error", "warn", "info", "debug"',
  parse: (value) => {
    const level = /(?:^|,|mirrord=)(off|error|warn|info|debug|trace)(?:,|$)/i.exec(String(value))?.[1]?.toLowerCase();
    return level === 'trace' ? 'debug' : level === 'off' ? 'error' : level;
  },
};

const filter: Section = {
  keys: { remote: setting(stringList), local: setting(stringList) },
  expected: 'an object with either "remote" or "local"',
};

const target: Section = {
  keys: {
    path: setting(anything),
    namespace: setting(string),
    replicas: setting(oneOf('one', 'all')),
  },
  shorthand: (value) => (typeof value === 'string' ? { path: value } : undefined),
  expected: 'a string such as "deployment/web", or an object with "path" and "namespace"',
};

const unless = (fulfilled: boolean, why: string): Setting => ({
  type: boolean,
  inactive: (value) => (value === fulfilled ? undefined : `has no effect: ${why}`),
});

/** What an agent of ours does, or does not, in any case. Said only to whoever asks for the opposite. */
const agentAlways: Record<string, Setting> = {
  exclude_from_mesh: unless(false, "the agent listens on its pod's loopback address, where no mesh takes it over"),
  inject_headers: unless(false, 'answers are passed on byte for byte'),
  override_cache_control: unless(false, 'answers are passed on byte for byte'),
  external_ip_fix: unless(true, 'what stays with the pod always goes to the very address it was sent to'),
  clean_iptables_on_start: unless(true, 'rules that an agent could not remove are always removed by the next one'),
  ...inactiveBecause('has no effect: filters are regular expressions and not jq programs', 'jaq_time_limit'),
};

const agent: Section = {
  keys: {
    image: setting({
      expected: 'a string, or an object with "registry" and "tag"',
      parse: (value) =>
        string.parse(value) ??
        (isPlainObject(value) && string.parse(value.registry) && string.parse(value.tag)
          ? `${value.registry}:${value.tag}`
          : undefined),
    }),
    image_pull_policy: setting(oneOf('Always', 'IfNotPresent', 'Never')),
    image_pull_secrets: setting({
      expected: 'a list of objects with "name"',
      parse: (value) => {
        const list = objectList.parse(value);
        return list?.every((entry) => string.parse(entry.name)) ? list.map(({ name }) => ({ name })) : undefined;
      },
    }),
    namespace: setting(string),
    startup_timeout: setting(integer(1, 3600, 'seconds')),
    communication_timeout: setting(integer(1, 3600, 'seconds')),
    idle_timeout: setting(integer(0, 86_400, 'seconds')),
    grace: setting(integer(1, 3600, 'seconds')),
    ttl: setting(integer(0, 65_535, 'seconds')),
    deadline: setting(integer(60, 604_800, 'seconds')),
    privileged: setting(boolean),
    flush_connections: setting(boolean),
    labels: setting(stringMap),
    annotations: setting(stringMap),
    tolerations: setting(objectList),
    resources: {
      keys: { requests: setting(stringMap), limits: setting(stringMap) },
    },
    service_account: setting(string),
    priority_class: setting(string),
    node_selector: setting(stringMap),
    log_level: setting(logLevel),
    json_log: setting(boolean),
    ephemeral: setting(boolean),
    disabled_capabilities: setting(capabilities),
    security_context: setting(securityProfiles),
    check_out_of_pods: setting(boolean),
    disable_mesh_sidecar_injection: setting(boolean),
    dns: setting(resolverLimits),
    metrics: setting(socketAddress),
    nftables: setting(boolean),
    http_detection_timeout: setting(secondsBetween(0, 60)),
    max_body_buffer_size: setting(integer(0, 16 * 1024 * 1024, 'bytes')),
    max_body_buffer_timeout: setting(integer(0, 60_000, 'milliseconds')),
    ...agentAlways,
  },
};

const env: Section = {
  keys: {
    enabled: setting(boolean),
    include: setting(stringList),
    exclude: setting(stringList),
    override: setting(stringMap),
    unset: setting(stringList),
    env_file: setting(string),
    mapping: setting(patternMap),
    ...inactiveBecause(NATIVE, 'load_from_process'),
  },
  shorthand: toggle({ enabled: true }, { enabled: false }),
};

const fsModes = ['local', 'localwithoverrides', 'read', 'write'] as const;
const fs: Section = {
  keys: {
    mode: {
      type: oneOf(...fsModes),
      inactive: (value) =>
        value === 'write' ? 'writes files only on this machine in this version: reads go to the pod' : undefined,
    },
    read_only: setting(patternList),
    read_write: {
      type: patternList,
      inactive: 'only reads from the pod in this version: files that match are written on this machine',
    },
    local: setting(patternList),
    not_found: setting(patternList),
    mapping: setting(patternMap),
    ...inactiveBecause(NATIVE, 'readonly_file_buffer'),
  },
  shorthand: (value) =>
    value === false
      ? { mode: 'local' }
      : value === true
        ? { mode: 'read' }
        : typeof value === 'string'
          ? { mode: value }
          : undefined,
  expected: `true, false, one of ${fsModes.map((mode) => `"${mode}"`).join(', ')}, or an object`,
};

const outgoing: Section = {
  keys: {
    tcp: setting(boolean),
    udp: setting(boolean),
    ignore_localhost: setting(boolean),
    filter,
    ...inactive('unix_streams'),
  },
  shorthand: toggle({ tcp: true, udp: true }, { tcp: false, udp: false }),
};

const dns: Section = {
  keys: { enabled: setting(boolean), filter },
  shorthand: toggle({ enabled: true }, { enabled: false }),
};

const feature: Section = {
  keys: {
    env,
    fs,
    network: {
      keys: { outgoing, dns, incoming: incomingSection, ...inactive('ipv6') },
      shorthand: toggle({}, { outgoing: false, dns: false, incoming: 'off' }),
    },
    hostname: setting(boolean),
    ...inactive('magic'),
    ...inactiveBecause(OPERATOR, 'copy_target', 'split_queues', 'db_branches', 'preview'),
  },
};

/** Every key of a configuration file. */
export const rootSection: Section = {
  keys: {
    $schema: setting(anything),
    target,
    kubeconfig: setting(string),
    kube_context: setting(string),
    accept_invalid_certificates: setting(boolean),
    on_failure: setting(oneOf('exit', 'continue')),
    agent,
    feature,
    operator: { type: anything, inactive: (value) => (value === true ? OPERATOR : undefined) },
    telemetry: { type: boolean, inactive: (value) => (value ? 'has no effect: nothing is ever sent' : undefined) },
    ...inactive('skip_processes', 'skip_build_tools', 'skip_extra_build_tools', 'use_proxy', 'startup_retry', 'key'),
    ...inactiveBecause(OPERATOR, 'multi_cluster', 'profile', 'traceparent', 'baggage'),
    ...inactiveBecause(NATIVE, 'internal_proxy', 'external_proxy', 'container', 'experimental', 'api', 'ci'),
    ...inactiveBecause(NATIVE, 'sip_binaries', 'skip_sip'),
  },
};
