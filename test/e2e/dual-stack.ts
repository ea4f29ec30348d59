import { readFileSync } from 'node:fs';
import type { V1Pod } from '@kubernetes/client-node';
import { apply, configMap, core, deployment, settings, waitForDeployment } from '../support/cluster';
import { fixturePath } from './world';

/** Both addresses of a pod, IPv4 first. */
export type Addresses = [four: string, six: string];

export const addressesOf = ({ status }: V1Pod): Addresses => {
  const all = status!.podIPs!.map(({ ip }) => ip!);
  const [four, six] = [all.find((ip) => ip.includes('.')), all.find((ip) => ip.includes(':'))];
  if (!four || !six) throw new Error(`the pod has no address of each family but ${all}`);
  return [four, six];
};

/** Why pods of this cluster have no second address; undefined when they have. One that names one family twice is a mistake. */
export async function whyNoDualStack(): Promise<string | undefined> {
  const { items } = await core.listNode();
  const ranges = items[0]?.spec?.podCIDRs ?? [];
  return ranges.some((range) => range.includes(':')) && ranges.length > 1
    ? undefined
    : `the cluster of ${settings.kubeconfig} gives pods addresses of ${ranges.join(', ') || 'an unknown range'} only`;
}

/** Fixtures as a ConfigMap; `volumes` mounts it at /app. */
export const codeMap = (namespace: string, ...names: string[]) =>
  configMap(
    namespace,
    'code',
    Object.fromEntries(names.map((name) => [name, readFileSync(fixturePath(name), 'utf8')])),
  );

export const volumes = { '/app': { configMap: { name: 'code' } } };

/** Starts a Deployment of one pod that knows its addresses from POD_IPS. */
export async function startPod(
  namespace: string,
  name: string,
  command: string[],
  more: Partial<Parameters<typeof deployment>[0]> = {},
): Promise<{ name: string; addresses: Addresses }> {
  const env = [{ name: 'POD_IPS', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } }];
  await apply(deployment({ name, namespace, command, env, volumes, ...more }));
  const pod = await waitForDeployment(namespace, name);
  return { name: pod.metadata!.name!, addresses: addressesOf(pod) };
}
