import { MirrordError, nearestWord } from '../errors';
import { invalidValue } from './flatten';
import type { Target } from './types';
import { isPlainObject } from './value-types';

const KINDS: Record<string, 'pod' | 'deployment'> = { pod: 'pod', deployment: 'deployment', deploy: 'deployment' };
/** Kinds of the native tool that would be understood by name and cannot be used. */
const NATIVE_KINDS = ['rollout', 'job', 'cronjob', 'statefulset', 'service', 'replicaset', 'label'];
const FORMS =
  'pod/NAME, pod/NAME/container/CONTAINER, deployment/NAME, deployment/NAME/container/CONTAINER, targetless';

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
  const [kindWord = '', name, keyword, container, ...rest] = path.split('/');
  const kind = Object.hasOwn(KINDS, kindWord) ? KINDS[kindWord] : undefined;
  if (!kind) throw unsupportedKind(path, kindWord, name === undefined, source);
  const wellFormed = name && rest.length === 0 && (keyword === undefined || (keyword === 'container' && container));
  if (!wellFormed) throw invalidValue('target', path, `one of ${FORMS}`, source);
  return { kind, name: checkName(name, source), container: container && checkName(container, source) };
}

function parseObject(given: Record<string, unknown>, source: string): Target {
  const { container, ...rest } = given;
  const [[kindWord, name] = ['', undefined], ...more] = Object.entries(rest);
  if (more.length > 0 || typeof name !== 'string' || (container !== undefined && typeof container !== 'string')) {
    throw invalidValue('target.path', given, 'an object such as { "deployment": "web", "container": "app" }', source);
  }
  return parseTarget(`${kindWord}/${name}${container ? `/container/${container}` : ''}`, source);
}

/** Names go into request paths: what is no Kubernetes name never gets there. */
function checkName(name: string, source: string): string {
  if (/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) && name.length <= 253) return name;
  throw invalidValue('target', name, 'a Kubernetes name of lower-case letters, digits, "-" and "."', source);
}

function unsupportedKind(path: string, word: string, bare: boolean, source: string): MirrordError {
  const near = nearestWord(word, [...Object.keys(KINDS), 'targetless']);
  const message = NATIVE_KINDS.includes(word)
    ? `Target "${path}" (${source}): the kind "${word}" is not supported in this version.`
    : bare
      ? `Target "${path}" (${source}) has no kind.${near ? ` Did you mean "${near}"?` : ` Did you mean "deployment/${path}"?`}`
      : `Target "${path}" (${source}): "${word}" is not a kind of target.${near ? ` Did you mean "${near}"?` : ''}`;
  return new MirrordError('TARGET_KIND_UNSUPPORTED', message, {
    hint: `Valid forms are: ${FORMS}.`,
    details: { target: path },
  });
}

export function missingTarget(looked: string): MirrordError {
  return new MirrordError('TARGET_MISSING', `No target is configured (${looked}).`, {
    hint: [
      'Say which pod or deployment the app should run as, in one of three ways:',
      '  - environment:   MIRRORD_TARGET=deployment/NAME',
      '  - file:          mirrord.json with { "target": "deployment/NAME" }',
      '  - command line:  mirrord exec --target deployment/NAME -- node app.js',
      'To use the cluster\'s network and DNS without being any pod, write "targetless".',
    ].join('\n'),
  });
}
