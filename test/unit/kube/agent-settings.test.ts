import { describe, expect, it } from 'vitest';
import { defaultAgent } from '../../../src/config/defaults';
import { loadConfig } from '../../../src/config/load-config';
import { planAgent } from '../../../src/kube/agent-job';
import { placeAgent } from '../../../src/kube/placement';
import { adviseOnRefusal } from '../../../src/kube/privilege-ladder';
import type { ChosenTarget } from '../../../src/kube/types';

const TARGET: ChosenTarget = {
  path: 'pod/web-1',
  namespace: 'shop',
  pod: 'web-1',
  podUid: 'uid-1',
  podIP: '10.0.0.7',
  container: 'app',
  containerId: 'cri-o://0123abcd',
  nodeName: 'node1',
  reason: 'as named',
  ports: [],
  volumeMounts: [],
};

const agentOf = (agent: object) => loadConfig({ target: 'pod/web-1', agent }, {}, '/').config.agent;
function jobOf(agent: object, target: Partial<ChosenTarget> = {}): any {
  return planAgent(agentOf(agent), { ...TARGET, ...target }, 'agents').manifest;
}

describe('settings of the agent, in its Job', () => {
  it('another namespace than the target’s', () => {
    const { metadata } = jobOf({});
    expect(metadata.namespace).toBe('agents');
    expect(metadata.annotations['mirrord-node/target-path']).toBe('shop/pod/web-1');
  });

  it('disabled_capabilities, with and without CAP_ before the name', () => {
    const { containers } = jobOf({ disabledCapabilities: ['CAP_SYS_ADMIN', 'net_admin'] }).spec.template.spec;
    expect(containers[0].securityContext).toEqual({
      runAsGroup: expect.any(Number),
      capabilities: { add: ['SYS_PTRACE'] },
    });
    const none = jobOf({ disabledCapabilities: ['SYS_ADMIN', 'SYS_PTRACE', 'NET_ADMIN'] }).spec.template.spec;
    expect(none.containers[0].securityContext.capabilities).toBeUndefined();
  });

  it('security_context, in the words of Kubernetes', () => {
    const context = {
      app_armor_profile: { type: 'Unconfined' },
      seccomp_profile: { type: 'Localhost', localhost_profile: 'agent.json' },
    };
    expect(jobOf({ securityContext: context }).spec.template.spec.securityContext).toEqual({
      appArmorProfile: { type: 'Unconfined' },
      seccompProfile: { type: 'Localhost', localhostProfile: 'agent.json' },
    });
    expect(jobOf({}).spec.template.spec.securityContext).toBeUndefined();
  });

  it('disable_mesh_sidecar_injection: opted out by default, and left alone when it is false', () => {
    expect(jobOf({}).metadata).toMatchObject({
      labels: { 'kuma.io/sidecar-injection': 'disabled', 'sidecar.istio.io/inject': 'false' },
      annotations: { 'linkerd.io/inject': 'disabled' },
    });
    const { labels, annotations } = jobOf({ disableMeshSidecarInjection: false }).spec.template.metadata;
    expect([...Object.keys(labels), ...Object.keys(annotations)].join()).not.toMatch(/istio|kuma|linkerd/);
  });

  it('dns, as both resolvers of Node read it', () => {
    const env = jobOf({ dns: { timeout: 2, attempts: 3 } }).spec.template.spec.containers[0].env;
    expect(env).toContainEqual({ name: 'RES_OPTIONS', value: 'timeout:2 attempts:3' });
    expect(JSON.stringify(jobOf({}))).not.toContain('RES_OPTIONS');
  });

  it('a target in the network of its node is said to the agent', () => {
    const args = (target: object) => jobOf({}, target).spec.template.spec.containers[0].args;
    expect(args({ hostNetwork: true }).at(-1)).toBe('--host-network');
    expect(args({})).not.toContain('--host-network');
  });

  it.each([
    [{ disabled_capabilities: ['SYS_TIME'] }, 'agent.disabled_capabilities'],
    [{ security_context: { seccomp_profile: { type: 'Localhost' } } }, 'agent.security_context'],
    [{ security_context: { se_linux: {} } }, 'agent.security_context'],
    [{ dns: { timeout: 0 } }, 'agent.dns'],
    [{ dns: { retries: 2 } }, 'agent.dns'],
  ])('%j is refused', (agent, key) => {
    expect(() => agentOf(agent)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID_VALUE', details: expect.objectContaining({ key }) }),
    );
  });
});

/** Keys of the agent's section: what is set, and where it shows in the Job. */
const settings: [key: string, value: unknown, place: (job: any) => unknown, shows: unknown][] = [
  ['image', { registry: 'r.example/agent', tag: '2' }, (job) => container(job).image, 'r.example/agent:2'],
  ['image_pull_policy', 'Always', (job) => container(job).imagePullPolicy, 'Always'],
  ['image_pull_secrets', [{ name: 's' }], (job) => podOf(job).imagePullSecrets, [{ name: 's' }]],
  ['ttl', 7, (job) => job.spec.ttlSecondsAfterFinished, 7],
  ['deadline', 600, (job) => job.spec.activeDeadlineSeconds, 600],
  ['privileged', true, (job) => container(job).securityContext.privileged, true],
  ['labels', { team: 'a' }, (job) => [job.metadata.labels.team, job.spec.template.metadata.labels.team], ['a', 'a']],
  [
    'annotations',
    { x: 'y' },
    (job) => [job.metadata, job.spec.template.metadata].map((of) => of.annotations.x),
    ['y', 'y'],
  ],
  ['tolerations', [{ key: 'gpu' }], (job) => podOf(job).tolerations, [{ key: 'gpu' }]],
  ['tolerations', undefined, (job) => podOf(job).tolerations, [{ operator: 'Exists' }]],
  ['resources', { limits: { memory: '1Gi' } }, (job) => container(job).resources.limits.memory, '1Gi'],
  ['service_account', 'agent', (job) => podOf(job).serviceAccountName, 'agent'],
  ['priority_class', 'high', (job) => podOf(job).priorityClassName, 'high'],
  ['communication_timeout', 9, (job) => variable(job, 'MIRRORD_AGENT_COMMUNICATION_TIMEOUT'), '9'],
  ['idle_timeout', 8, (job) => variable(job, 'MIRRORD_AGENT_IDLE_TIMEOUT'), '8'],
  ['grace', 6, (job) => variable(job, 'MIRRORD_AGENT_GRACE'), '6'],
  ['log_level', 'debug', (job) => variable(job, 'MIRRORD_AGENT_LOG_LEVEL'), 'debug'],
  ['metrics', '0.0.0.0:9000', (job) => variable(job, 'MIRRORD_AGENT_METRICS'), '0.0.0.0:9000'],
  ['nftables', false, (job) => variable(job, 'MIRRORD_AGENT_NFTABLES'), 'false'],
  ['nftables', undefined, (job) => variable(job, 'MIRRORD_AGENT_NFTABLES'), undefined],
  ['http_detection_timeout', 2, (job) => variable(job, 'MIRRORD_AGENT_HTTP_DETECTION_TIMEOUT_MS'), '2000'],
  ['http_detection_timeout', 0.05, (job) => variable(job, 'MIRRORD_AGENT_HTTP_DETECTION_TIMEOUT_MS'), '50'],
  ['max_body_buffer_size', 0, (job) => variable(job, 'MIRRORD_AGENT_MAX_BODY_BUFFER_SIZE'), '0'],
  ['max_body_buffer_timeout', 60_000, (job) => variable(job, 'MIRRORD_AGENT_MAX_BODY_BUFFER_TIMEOUT'), '60000'],
  ['json_log', true, (job) => variable(job, 'MIRRORD_AGENT_LOG_JSON'), 'true'],
];
const podOf = (job: any) => job.spec.template.spec;
const container = (job: any) => podOf(job).containers[0];
const variable = (job: any, name: string) => container(job).env.find((one: any) => one.name === name)?.value;

/** Shown by other tests: the first ones above in this file, the others by starts of an agent. */
const ELSEWHERE = [
  ...['disabled_capabilities', 'security_context', 'disable_mesh_sidecar_injection', 'dns', 'namespace'],
  ...['startup_timeout', 'ephemeral', 'check_out_of_pods', 'node_selector'],
];

describe('each key of the configuration', () => {
  it.each(settings)('agent.%s = %j shows in the Job', (key, value, place, shows) => {
    expect(place(jobOf(value === undefined ? {} : { [key]: value }))).toEqual(shows);
  });

  it('is among these', () => {
    const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const shown = new Set([...settings.map(([key]) => key), ...ELSEWHERE]);
    expect(
      Object.keys(defaultAgent({}))
        .map(snake)
        .filter((key) => !shown.has(key)),
    ).toEqual([]);
  });

  it('agent.node_selector is for an agent without a target; with one, its node is given', () => {
    const targetless: any = planAgent(agentOf({ node_selector: { pool: 'x' } }), undefined, 'agents').manifest;
    expect(podOf(targetless).nodeSelector).toEqual({ pool: 'x' });
    expect(podOf(jobOf({ node_selector: { pool: 'x' } }))).toMatchObject({ nodeName: 'node1' });
    expect(podOf(jobOf({ node_selector: { pool: 'x' } })).nodeSelector).toBeUndefined();
  });
});

it('an ephemeral agent goes to the target’s pod, whatever namespace was given; without a target it is a Job', () => {
  const placement = placeAgent(agentOf({ ephemeral: true, namespace: 'agents' }), TARGET, 'agents');
  expect(placement).toMatchObject({ namespace: 'shop', query: { fieldSelector: 'metadata.name=web-1' } });
  expect(placeAgent(agentOf({ ephemeral: true }), undefined, 'agents').query).toHaveProperty('labelSelector');
  const { warnings } = loadConfig({ target: 'targetless', agent: { ephemeral: true } }, {}, '/');
  expect(warnings).toEqual([expect.stringContaining('no pod to put a container into')]);
});

describe('what is offered when a pod is refused', () => {
  it.each([
    ['exceeded quota: compute, requested: pods=1, used: pods=10, limited: pods=10', /counts in no quota/, /targetless/],
    [
      'violates PodSecurity "baseline:latest": host namespaces (hostPID=true), non-default capabilities',
      /label --overwrite namespace shop pod-security.kubernetes.io\/enforce=privileged[\s\S]*disabled_capabilities[\s\S]*targetless/,
      /counts in no quota/,
    ],
    ['unable to validate against any security context constraint: hostPID is not allowed', /targetless/, /quota/],
    ['admission rule "no-tuesdays" says no', /agent\.namespace/, /targetless/],
  ])('%s', (words, offers, leavesOut) => {
    expect(adviseOnRefusal(words, 'shop')).toMatch(offers);
    expect(adviseOnRefusal(words, 'shop')).not.toMatch(leavesOut);
  });
});
