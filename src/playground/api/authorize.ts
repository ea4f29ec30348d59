import { StatusError } from '../status-error';
import type { Store } from '../types';

/** Verbs and resources that are forbidden; `*` stands for any. Everything that no rule names is allowed. */
export interface DenyRule {
  verb: string;
  /** Plural, with the subresource if one is meant: `pods`, `pods/portforward`. */
  resource: string;
  namespace?: string;
  group?: string;
}

export interface Attributes {
  verb: string;
  group: string;
  resource: string;
  subresource?: string;
  namespace?: string;
  name?: string;
}

export const USER = 'playground-admin';
export const ANONYMOUS = 'system:anonymous';

/** A ConfigMap that changes the rules while the server runs: `data.rules` holds a JSON list of them. */
export const DENY_CONFIG = { namespace: 'kube-system', name: 'playground-deny' };

export interface Authorizer {
  allows(attributes: Attributes): boolean;
  rules(): DenyRule[];
  close(): void;
}

export function createAuthorizer(store: Store, fixed: DenyRule[] = []): Authorizer {
  let live = readLiveRules(store);
  const unsubscribe = store.subscribe('configmaps', ({ object }) => {
    const { namespace, name } = object.metadata;
    if (namespace === DENY_CONFIG.namespace && name === DENY_CONFIG.name) live = readLiveRules(store);
  });
  const rules = () => [...fixed, ...live];
  return {
    allows: (attributes) => isDenyConfig(attributes) || !rules().some((rule) => covers(rule, attributes)),
    rules,
    close: unsubscribe,
  };
}

/** Whoever forbade too much must still be able to take it back. */
function isDenyConfig({ resource, namespace, name }: Attributes): boolean {
  return resource === 'configmaps' && namespace === DENY_CONFIG.namespace && name === DENY_CONFIG.name;
}

function covers(rule: DenyRule, attributes: Attributes): boolean {
  const resource = attributes.subresource ? `${attributes.resource}/${attributes.subresource}` : attributes.resource;
  return (
    matches(rule.verb, attributes.verb) &&
    matches(rule.resource, resource) &&
    matches(rule.namespace, attributes.namespace ?? '') &&
    matches(rule.group, attributes.group)
  );
}

function matches(pattern: string | undefined, value: string): boolean {
  return pattern === undefined || pattern === '*' || pattern === value;
}

function readLiveRules(store: Store): DenyRule[] {
  const text = store.get('configmaps', DENY_CONFIG.namespace, DENY_CONFIG.name)?.data?.rules;
  return text === undefined ? [] : parseDenyRules(text);
}

/**
 * @throws StatusError 422 when the text is no JSON list of rules. The API refuses such a ConfigMap, so that a test with a
 * typing error does not pass because nothing was forbidden.
 */
export function parseDenyRules(text: string): DenyRule[] {
  const problem = (why: string) =>
    new StatusError(422, 'Invalid', `ConfigMap "${DENY_CONFIG.name}" is invalid: data.rules: Invalid value: ${why}`);
  let rules: unknown;
  try {
    rules = JSON.parse(text);
  } catch {
    throw problem('not JSON');
  }
  const isRule = (rule: any) => typeof rule?.verb === 'string' && typeof rule?.resource === 'string';
  if (!Array.isArray(rules) || !rules.every(isRule))
    throw problem('expected a list of {"verb", "resource", "namespace"?}');
  return rules as DenyRule[];
}

/** 403 in the words of the real authorizer. */
export function forbidden(attributes: Attributes, user = USER): StatusError {
  const { verb, group, resource, subresource, namespace, name } = attributes;
  const qualified = group ? `${resource}.${group}` : resource;
  const target = name ? `${qualified} "${name}"` : qualified;
  const what = subresource ? `${resource}/${subresource}` : resource;
  const where = namespace ? `in the namespace "${namespace}"` : 'at the cluster scope';
  const message = `${target} is forbidden: User "${user}" cannot ${verb} resource "${what}" in API group "${group}" ${where}`;
  return new StatusError(403, 'Forbidden', message, forbiddenDetails(attributes));
}

/**
 * The 403 of a WebSocket upgrade that may `get` but not `create` the subresource: the real server leaves the rest of the
 * sentence out.
 */
export function forbiddenUpgrade(attributes: Attributes): StatusError {
  const message = `${attributes.resource} "${attributes.name}" is forbidden: `;
  return new StatusError(403, 'Forbidden', message, forbiddenDetails(attributes));
}

/** The 403 for a path that is no resource, such as discovery, to someone without a token. */
export function forbiddenPath(method: string, path: string): StatusError {
  const message = `forbidden: User "${ANONYMOUS}" cannot ${method.toLowerCase()} path "${path}"`;
  return new StatusError(403, 'Forbidden', message, {});
}

function forbiddenDetails({ name, group, resource }: Attributes): Record<string, unknown> {
  return { ...(name ? { name } : {}), ...(group ? { group } : {}), kind: resource };
}
