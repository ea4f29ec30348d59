import { describe, expect, it } from 'vitest';
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
