/** What a cluster says when Pod Security, an SCC or a policy engine stands against a pod. */
const POLICY =
  /PodSecurity|pod security|SecurityContextConstraints|\bscc\b|admission webhook|hostPID|capabilit|privileged/i;
const QUOTA = /exceeded quota|LimitRange|(?:maximum|minimum) \w+ usage|must specify (?:limits|requests)/i;
const ACCOUNT = /service ?account .*not found/i;

export const ENFORCE_LABEL = 'pod-security.kubernetes.io/enforce';

/**
 * What to do next about an agent's pod that was refused, from the refusal's own words: from most able to least.
 *
 * @param namespace where it was refused
 */
export function adviseOnRefusal(words: string, namespace: string): string {
  if (QUOTA.test(words)) {
    return [
      'A quota or a limit of the namespace stands against a further pod. What works without one:',
      '- "agent.ephemeral": true (or --ephemeral): the agent as a container inside the target\'s pod, which counts in no quota;',
      '- "agent.namespace": another namespace for the Job; "agent.resources": other requests and limits.',
    ].join('\n');
  }
  if (ACCOUNT.test(words)) return `Name one that namespace "${namespace}" has with "agent.service_account".`;
  if (!POLICY.test(words)) {
    return 'An admission rule stands against it. Another namespace for the Job can be given with "agent.namespace".';
  }
  return [
    'The agent needs hostPID and the capabilities SYS_ADMIN, SYS_PTRACE and NET_ADMIN. What works instead, from most to least:',
    '- where Pod Security stands against it, the level "privileged" for the namespace of the Job:',
    `    kubectl label --overwrite namespace ${namespace} ${ENFORCE_LABEL}=privileged`,
    '  or, with "agent.namespace", for another one; the target\'s stays as it is then;',
    '- "agent.ephemeral": true with "agent.disabled_capabilities": ["SYS_PTRACE", "NET_ADMIN"]: a container inside the target\'s',
    '  pod that asks for nothing beyond "baseline"; for targets that run as root;',
    "- MIRRORD_TARGET=targetless: names and outgoing traffic of the namespace alone, without a pod's files and variables.",
  ].join('\n');
}
