import { afterEach, describe, expect, it } from 'vitest';
import { createStore } from '../../../src/playground/store';
import type { Store } from '../../../src/playground/types';
import { type Cluster, load, startCluster } from './support';
import { readTranscript, shapeOf } from './transcript';

/** What differs from the recorded server on purpose, wherever it occurs. */
const IGNORED = new Set([
  'managedFields', // field ownership is not tracked
  'emulationMajor', // fields of /version that came after 1.32
  'emulationMinor',
  'minCompatibilityMajor',
  'minCompatibilityMinor',
  'extra', // the recorded user has a certificate, this one a token
]);

interface Case {
  title: string;
  file: string;
  prepare?: (store: Store) => void;
  deny?: { verb: string; resource: string; namespace?: string }[];
  /** Changes the recorded message to what is expected here. */
  message?: (recorded: string) => string | RegExp;
}

const pod = (store: Store) => {
  const { name } = load(store, 'pods', 'pod-running.json').metadata;
  store.create('pods', {
    ...store.get('pods', 'default', name)!,
    metadata: { name: 'web-5677dd67bf-fp78w', namespace: 'default' },
  });
  store.create('pods', {
    ...store.get('pods', 'default', name)!,
    metadata: { name: 'web-5677dd67bf-l7fpk', namespace: 'default' },
  });
};
const holding =
  (...keys: string[]) =>
  (store: Store) => {
    const data = Object.fromEntries(keys.map((key) => [key, '1']));
    store.create('configmaps', {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'cm1', namespace: 'default' },
      data,
    });
  };
const configMap = holding('a', 'b', 'c', 'd', 'e');
const deployment = (store: Store) => {
  const spec = {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'x' }] } },
  };
  store.create('deployments', {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec,
    status: { replicas: 1 },
  });
};
const job = (name: string) => (store: Store) => {
  const recorded = load(store, 'jobs', 'job-running.json');
  const { name: _name, uid: _uid, ...metadata } = recorded.metadata;
  store.create('jobs', { ...recorded, metadata: { ...metadata, name } });
};
/** As if the cluster had been used for a long time before: old versions are forgotten. */
const longHistory = (store: Store) => {
  configMap(store);
  for (let i = 0; i < 1600; i++)
    store.mutate('configmaps', 'default', 'cm1', (object) => {
      object.data.a = String(i);
    });
  store.remove('configmaps', 'default', 'cm1');
};
const longHistoryOfOne = (store: Store) => {
  configMap(store);
  store.mutate('configmaps', 'default', 'cm1', (object) => {
    object.data.a = '2';
  });
};
const threeConfigMaps = (store: Store) => {
  configMap(store);
  for (const name of ['x', 'y']) {
    store.create('configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'kube-public' } });
  }
};
const asUs = (message: string) => message.replace(/"system:serviceaccount:[^"]*"/, '"playground-admin"');

const CASES: Case[] = [
  { title: 'a field that pods cannot be selected by', file: '400-bad-fieldselector' },
  { title: 'a label selector that does not parse', file: '400-bad-labelselector' },
  { title: 'exec without an upgrade', file: '400-exec-noupgrade', prepare: pod },
  { title: 'port-forward without an upgrade', file: '400-portforward-noupgrade', prepare: pod },
  { title: 'a continue token that is no base64', file: '400-list-bad-continue' },
  { title: 'logs of a pod with two containers', file: '400-log-nocontainer', prepare: pod },
  {
    title: 'logs of a container without an image',
    file: '400-log-waiting',
    prepare: (s) => load(s, 'pods', 'pod-state-noimage.json'),
    message: () =>
      /container "c" in pod "noimage" is waiting to start: (image can't be pulled|trying and failing to pull image)/,
  },
  { title: 'a body that is cut short', file: '400-malformed' },
  { title: 'another namespace in the body than in the path', file: '400-namespace-mismatch' },
  { title: 'an unknown field under strict validation', file: '400-unknown-field-strict' },
  { title: 'a watch from something that is no version', file: '400-watch-invalid-rv' },
  { title: 'an object of another kind', file: '400-wrong-kind' },
  { title: 'a wrong token', file: '401-badtoken' },
  { title: 'no token', file: '403-anonymous' },
  {
    title: 'creating Jobs when that is denied',
    file: '403-sa-create-job',
    deny: [{ verb: 'create', resource: 'jobs' }],
    message: asUs,
  },
  {
    title: 'exec when that is denied',
    file: '403-sa-exec',
    prepare: pod,
    deny: [{ verb: '*', resource: 'pods/exec' }],
    message: asUs,
  },
  {
    title: 'logs when that is denied',
    file: '403-sa-log',
    prepare: pod,
    deny: [{ verb: 'get', resource: 'pods/log' }],
    message: asUs,
  },
  {
    title: 'listing in a namespace where that is denied',
    file: '403-sa-other-namespace',
    deny: [{ verb: 'list', resource: 'pods', namespace: 'kube-system' }],
    message: asUs,
  },
  {
    title: 'port-forward when that is denied',
    file: '403-sa-portforward',
    prepare: pod,
    deny: [{ verb: 'create', resource: 'pods/portforward' }],
    message: asUs,
  },
  { title: 'deleting a pod that is not there', file: '404-delete' },
  { title: 'an ephemeral container for a pod that is not there', file: '404-ephemeral-nopod' },
  { title: 'an unknown API group', file: '404-group' },
  { title: 'creating in a namespace that is not there', file: '404-namespace-create' },
  { title: 'an unknown resource', file: '404-path' },
  { title: 'logs of a pod that is not there', file: '404-pod-log' },
  { title: 'a pod that is not there', file: '404-pod' },
  { title: 'a method that is not allowed', file: '405-method' },
  { title: 'a media type that cannot be answered', file: '406-accept' },
  { title: 'creating what exists', file: '409-already-exists', prepare: configMap },
  { title: 'an update of an older version', file: '409-conflict', prepare: longHistoryOfOne },
  { title: 'a continue token of a forgotten version', file: '410-list-expired-continue', prepare: longHistory },
  { title: 'a watch from a forgotten version', file: '410-watch-too-old', prepare: longHistory },
  { title: 'a body in an unknown format', file: '415-mediatype' },
  { title: 'a patch that does not say of which type', file: '415-patch-type', prepare: configMap },
  { title: 'an ephemeral container with a name that is taken', file: '422-ephemeral-change', prepare: pod },
  { title: 'a pod with two mistakes', file: '422-invalid-pod' },
  { title: 'a Job whose pods would restart for ever', file: '422-job-invalid' },
  { title: 'a pod without containers', file: '422-no-containers' },
  { title: 'a JSON patch whose test fails', file: '422-patch-json-testfail', prepare: configMap },
  {
    title: 'a change of a pod that is not allowed',
    file: '422-pod-immutable',
    prepare: pod,
    message: (text) => new RegExp(`^${escapeRegExp(text.slice(0, text.indexOf('\n@@')))}`),
  },
  {
    title: 'a list of a version to come',
    file: '504-list-future-rv',
    message: () => /^Timeout: Too large resource version: 99999999, current: \d+$/,
  },
  { title: 'deleting a ConfigMap', file: '200-delete-configmap', prepare: configMap },
  { title: 'an empty list', file: '200-list-empty' },
  { title: 'metadata only', file: '200-partialmetadata', prepare: configMap },
  { title: 'an apply', file: '200-patch-apply', prepare: configMap },
  { title: 'a JSON patch', file: '200-patch-json', prepare: holding('a', 'b', 'c') },
  { title: 'a merge patch', file: '200-patch-merge', prepare: holding('a') },
  { title: 'a strategic merge patch', file: '200-patch-strategic', prepare: holding('a', 'b') },
  { title: 'a new ConfigMap', file: '201-configmap' },
  { title: 'an unknown field with a warning, as a dry run', file: '201-unknown-field-warn' },
  { title: 'the API versions', file: 'api' },
  { title: 'health', file: 'healthz' },
  { title: 'the version', file: 'version' },
  { title: 'the scale of a Deployment', file: 'scale-get', prepare: deployment },
  { title: 'a change of scale', file: 'scale-patch', prepare: deployment },
  { title: 'whether something is allowed', file: 'selfsubjectaccessreview' },
  { title: 'who is asking', file: 'selfsubjectreview' },
  { title: 'deleting a Job with its pods', file: 'delete-job-background-response', prepare: job('agent4') },
  {
    title: 'deleting a Job without a word about its pods',
    file: 'delete-job-nopolicy-response',
    prepare: job('agent5'),
  },
  { title: 'deleting a Job after its pods', file: 'delete-job-foreground-response', prepare: job('agent3') },
  {
    title: 'deleting a pod',
    file: 'delete-pod-response',
    prepare: (s) => load(s, 'pods', 'pod-with-ephemeral-running.json'),
  },
  { title: 'a table', file: '200-table', prepare: configMap },
  { title: 'a page of a list', file: '200-list-limit1', prepare: threeConfigMaps },
  {
    title: 'exec where nothing runs',
    file: '400-exec-notrunning',
    prepare: (s) => load(s, 'pods', 'pod-state-noimage.json'),
  },
  {
    title: 'exec over WebSocket with half the right to it',
    file: '403-ws-exec-get-without-create',
    prepare: pod,
    deny: [{ verb: 'create', resource: 'pods/exec' }],
  },
  {
    title: 'port-forward over WebSocket with half the right to it',
    file: '403-ws-portforward-get-without-create',
    prepare: pod,
    deny: [{ verb: 'create', resource: 'pods/portforward' }],
  },
];

let cluster: Cluster | undefined;
afterEach(() => cluster?.server.close());

describe('recorded answers of a Kubernetes 1.36 API server are given again', () => {
  it.each(CASES)('$title ($file)', async ({ file, prepare, deny, message }) => {
    const recorded = readTranscript(file);
    const store = createStore();
    if (file.startsWith('410')) longHistory(store);
    else prepare?.(store);
    // Those that need the namespaces only get them from startCluster.
    cluster = await startCluster({ store, deny });
    removeRootCa(store);
    const token = file === '401-badtoken' ? 'xyz' : file === '403-anonymous' ? null : undefined;
    const { authorization: _authorization, ...headers } = recorded.headers;
    const answer = await cluster.call(recorded.method, recorded.path, { headers, body: recorded.body, token });

    expect(answer.status).toBe(recorded.status);
    expect(answer.headers['content-type']).toBe(recorded.answerHeaders['content-type']);
    expect(answer.headers.warning).toBe(recorded.answerHeaders.warning);
    expect(answer.headers['retry-after']).toBe(recorded.answerHeaders['retry-after']);
    const expected = parse(recorded.answer);
    if (expected === undefined) {
      expect(answer.text).toBe(recorded.answer.replace(/\n$/, ''));
      return;
    }
    expect(shapeOf(answer.json, IGNORED)).toEqual(shapeOf(expected, IGNORED));
    expect(pick(answer.json)).toEqual(pick(expected));
    if (expected.message === undefined) return;
    const wanted = message ? message(expected.message) : expected.message;
    if (typeof wanted === 'string') expect(answer.json.message).toBe(wanted);
    else expect(answer.json.message).toMatch(wanted);
  });
});

function parse(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Fields whose values are the same on every server. */
function pick({ kind, apiVersion, status, reason, code, data, details }: any): unknown {
  const stable = typeof status === 'string' ? status : undefined;
  const { uid: _uid, causes, ...known } = details ?? {};
  const fields = causes?.map((cause: any) => [cause.field, cause.reason]);
  return { kind, apiVersion, status: stable, reason, code, keys: Object.keys(data ?? {}).sort(), known, fields };
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** The ConfigMap that this server puts into every namespace is not in lists that were recorded before there was one. */
function removeRootCa(store: Store): void {
  for (const namespace of ['default', 'kube-system']) store.remove('configmaps', namespace, 'kube-root-ca.crt');
}
