import { MirrordError, nearestWord } from '../errors';
import { invalidValue } from './flatten';
import { KIND_WORDS, kindOfKey, kindOfWord } from './target-kinds';
import type { NamedTarget, Target } from './types';
import { isPlainObject } from './value-types';

const KIND_LIST = 'pod, deployment, replicaset, statefulset, daemonset, job, cronjob, service or rollout';
const FORMS = `KIND/NAME with ${KIND_LIST} for KIND, label/KEY=VALUE,…, each with /container/CONTAINER if need be, or targetless`;

/**
 * Parses what `target.path` holds: a path such as `deployment/web/container/app`, the word `targetless`, or the object form
 * `{ deployment, container }`.
 *
 * @throws MirrordError TARGET_KIND_UNSUPPORTED, CONFIG_INVALID_VALUE
 */
export function parseTarget(given: unknown, source: string): Target {
  if (isPlainObject(given)) return parseObject(given, source);
  if (typeof given !== 'string' || given.trim() === '') throw invalidValue('target', given, FORMS, source);
  const path = given.trim();
  if (path === 'targetless') return { kind: 'targetless' };
  const [, word = '', rest] = /^([^/]*)(?:\/(.*))?$/s.exec(path)!;
  const kind = kindOfWord(word);
  if (!kind) throw unsupportedKind(path, word, rest === undefined, source);
  // Keys of labels may have a slash: only the end of a path says which container.
  const [, name = '', container] = /^(.*?)(?:\/container\/([^/]*))?$/s.exec(rest ?? '')!;
  const isWhole = name !== '' && container !== '' && (kind === 'label' || !name.includes('/'));
  if (!isWhole) throw invalidValue('target', path, `one of ${FORMS}`, source);
  return makeTarget(kind, name, container, source);
}

function makeTarget(kind: NamedTarget['kind'], name: string, container: string | undefined, source: string): Target {
  return {
    kind,
    name: kind === 'label' ? checkSelector(name, source) : checkName(name, source),
    container: container && checkName(container, source),
  };
}

function parseObject(given: Record<string, unknown>, source: string): Target {
  const { container, ...rest } = given;
  const [[key, value] = ['', undefined], ...more] = Object.entries(rest);
  const kind = kindOfKey(key);
  const name = kind === 'label' ? selectorOf(value) : value;
  if (more.length > 0 || typeof name !== 'string' || (container !== undefined && typeof container !== 'string')) {
    throw invalidValue('target.path', given, 'an object such as { "deployment": "web", "container": "app" }', source);
  }
  if (!kind) throw unsupportedKind(`${key}/${name}`, key, false, source);
  return makeTarget(kind, name, container || undefined, source);
}

function selectorOf(labels: unknown): string | undefined {
  if (!isPlainObject(labels)) return undefined;
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(',');
}

/** Names go into request paths: what is no Kubernetes name never gets there. */
function checkName(name: string, source: string): string {
  if (/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) && name.length <= 253) return name;
  throw invalidValue('target', name, 'a Kubernetes name of lower-case letters, digits, "-" and "."', source);
}

const LABEL =
  /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]*[A-Za-z0-9])?=([A-Za-z0-9]([-\w.]*[A-Za-z0-9])?)?$/;

function checkSelector(selector: string, source: string): string {
  const parts = selector.split(',').map((part) => part.trim());
  if (parts.every((part) => LABEL.test(part))) return parts.join(',');
  throw invalidValue('target', `label/${selector}`, 'labels such as label/app=web,tier=front', source);
}

function unsupportedKind(path: string, word: string, bare: boolean, source: string): MirrordError {
  const near = nearestWord(word, [...KIND_WORDS, 'targetless']);
  const message = bare
    ? `Target "${path}" (${source}) has no kind.${near ? ` Did you mean "${near}"?` : ` Did you mean "deployment/${path}"?`}`
    : `Target "${path}" (${source}): "${word}" is not a kind of target.${near ? ` Did you mean "${near}"?` : ''}`;
  return new MirrordError('TARGET_KIND_UNSUPPORTED', message, {
    hint: `Valid forms are: ${FORMS}. What is there: mirrord ls`,
    details: { target: path },
  });
}

export function missingTarget(looked: string): MirrordError {
  return new MirrordError('TARGET_MISSING', `No target is configured (${looked}).`, {
    hint: [
      'Say which pod or workload the app should run as, in one of three ways:',
      '  - environment:   MIRRORD_TARGET=deployment/NAME',
      '  - file:          mirrord.json with { "target": "deployment/NAME" }',
      '  - command line:  mirrord exec --target deployment/NAME -- node app.js',
      'What there is to choose from: mirrord ls',
      'To use the cluster\'s network and DNS without being any pod, write "targetless".',
    ].join('\n'),
  });
}
