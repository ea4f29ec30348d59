/** What a target can be named by. `label` selects pods without any workload. */
export type TargetKind =
  | 'pod'
  | 'deployment'
  | 'replicaset'
  | 'statefulset'
  | 'daemonset'
  | 'job'
  | 'cronjob'
  | 'service'
  | 'rollout'
  | 'label';

/** Every word before the first slash of a path, with the short names of kubectl. */
const WORDS: Record<string, TargetKind> = {
  pod: 'pod',
  po: 'pod',
  deployment: 'deployment',
  deploy: 'deployment',
  replicaset: 'replicaset',
  rs: 'replicaset',
  statefulset: 'statefulset',
  sts: 'statefulset',
  daemonset: 'daemonset',
  ds: 'daemonset',
  job: 'job',
  cronjob: 'cronjob',
  cj: 'cronjob',
  service: 'service',
  svc: 'service',
  rollout: 'rollout',
  label: 'label',
};

/** Keys of the object form, as the native tool has them: `{ "stateful_set": "db" }`. */
const OBJECT_KEYS: Record<string, TargetKind> = {
  pod: 'pod',
  deployment: 'deployment',
  replica_set: 'replicaset',
  stateful_set: 'statefulset',
  daemon_set: 'daemonset',
  job: 'job',
  cron_job: 'cronjob',
  service: 'service',
  rollout: 'rollout',
  labels: 'label',
};

export const KIND_WORDS = Object.keys(WORDS);

export function kindOfWord(word: string): TargetKind | undefined {
  return Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
}

/** Accepts `statefulSet` and `statefulset` for `stateful_set` too: the file has one form, options objects another. */
export function kindOfKey(key: string): TargetKind | undefined {
  const snake = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.hasOwn(OBJECT_KEYS, snake) ? OBJECT_KEYS[snake] : kindOfWord(key);
}
