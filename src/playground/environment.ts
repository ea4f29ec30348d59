import { API_SERVICE_ADDRESS } from './addresses';
import { expand } from './expand';
import { type Capacity, resolveFieldRef, resolveResourceFieldRef } from './field-ref';
import type { KubeObject, Store } from './types';

/** A container's environment cannot be made; the message is what the kubelet reports with CreateContainerConfigError. */
export class ContainerConfigError extends Error {}

const NAME = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

export function secretValue(secret: KubeObject, key: string): Buffer | undefined {
  const plain = secret.stringData?.[key];
  if (plain !== undefined) return Buffer.from(plain);
  const encoded = secret.data?.[key];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64');
}

export function configMapValue(configMap: KubeObject, key: string): Buffer | undefined {
  const plain = configMap.data?.[key];
  if (plain !== undefined) return Buffer.from(plain);
  const encoded = configMap.binaryData?.[key];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64');
}

/** Variables for services, as Docker links once had them: always the API's, and those of the namespace unless switched off. */
export function serviceVariables(services: KubeObject[], namespace: string, links: boolean): Record<string, string> {
  const result: Record<string, string> = {};
  for (const service of services) {
    const isApi = service.metadata.namespace === 'default' && service.metadata.name === 'kubernetes';
    if (!isApi && !(links && service.metadata.namespace === namespace)) continue;
    const address = service.spec?.clusterIP;
    const ports: any[] = service.spec?.ports ?? [];
    if (!address || address === 'None' || ports.length === 0) continue;
    const prefix = service.metadata.name.toUpperCase().replaceAll('-', '_');
    result[`${prefix}_SERVICE_HOST`] = address;
    result[`${prefix}_SERVICE_PORT`] = String(ports[0].port);
    result[`${prefix}_PORT`] = `${(ports[0].protocol ?? 'TCP').toLowerCase()}://${address}:${ports[0].port}`;
    for (const port of ports) {
      if (port.name)
        result[`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`] = String(port.port);
      const protocol = (port.protocol ?? 'TCP').toLowerCase();
      const one = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`;
      result[one] = `${protocol}://${address}:${port.port}`;
      result[`${one}_PROTO`] = protocol;
      result[`${one}_PORT`] = String(port.port);
      result[`${one}_ADDR`] = address;
    }
  }
  if (result.KUBERNETES_SERVICE_HOST === undefined) {
    Object.assign(result, { KUBERNETES_SERVICE_HOST: API_SERVICE_ADDRESS, KUBERNETES_SERVICE_PORT: '443' });
  }
  return result;
}

function fromSource(store: Store, namespace: string, source: any): Record<string, string> {
  const isSecret = source.secretRef !== undefined;
  const reference = source.secretRef ?? source.configMapRef;
  if (!reference) return {};
  const object = store.get(isSecret ? 'secrets' : 'configmaps', namespace, reference.name);
  if (!object) {
    if (reference.optional) return {};
    throw new ContainerConfigError(`${isSecret ? 'secret' : 'configmap'} "${reference.name}" not found`);
  }
  const result: Record<string, string> = {};
  for (const key of Object.keys({ ...object.data, ...object.stringData })) {
    const name = (source.prefix ?? '') + key;
    const value = isSecret ? secretValue(object, key) : configMapValue(object, key);
    if (NAME.test(name) && value) result[name] = value.toString();
  }
  return result;
}

function fromKey(store: Store, namespace: string, kind: 'secret' | 'configmap', reference: any): string | undefined {
  const object = store.get(`${kind}s`, namespace, reference.name);
  if (!object) {
    if (reference.optional) return undefined;
    throw new ContainerConfigError(`${kind} "${reference.name}" not found`);
  }
  const value = kind === 'secret' ? secretValue(object, reference.key) : configMapValue(object, reference.key);
  if (value === undefined && !reference.optional) {
    const label = kind === 'secret' ? 'Secret' : 'ConfigMap';
    throw new ContainerConfigError(`couldn't find key ${reference.key} in ${label} ${namespace}/${reference.name}`);
  }
  return value?.toString();
}

export interface EnvironmentInput {
  store: Store;
  pod: KubeObject;
  container: any;
  imageEnv: Record<string, string>;
  hostname: string;
  capacity: Capacity;
}

/** All variables of a container, in the kubelet's order of precedence. @throws ContainerConfigError */
export function buildEnvironment(input: EnvironmentInput): Record<string, string> {
  const { store, pod, container } = input;
  const namespace = pod.metadata.namespace ?? 'default';
  const services = serviceVariables(store.list('services'), namespace, pod.spec.enableServiceLinks !== false);
  const declared: Record<string, string> = {};
  for (const source of container.envFrom ?? []) Object.assign(declared, fromSource(store, namespace, source));
  for (const { name, value, valueFrom } of container.env ?? []) {
    let resolved: string | undefined;
    if (valueFrom?.configMapKeyRef) resolved = fromKey(store, namespace, 'configmap', valueFrom.configMapKeyRef);
    else if (valueFrom?.secretKeyRef) resolved = fromKey(store, namespace, 'secret', valueFrom.secretKeyRef);
    else if (valueFrom?.fieldRef) resolved = resolveFieldRef(pod, valueFrom.fieldRef.fieldPath);
    else if (valueFrom?.resourceFieldRef) {
      const { containerName } = valueFrom.resourceFieldRef;
      const subject = containerName ? pod.spec.containers.find((one: any) => one.name === containerName) : container;
      resolved = resolveResourceFieldRef(subject, valueFrom.resourceFieldRef, input.capacity);
    } else resolved = expand(value ?? '', { ...services, ...declared });
    if (resolved !== undefined) declared[name] = resolved;
  }
  return { ...input.imageEnv, HOSTNAME: input.hostname, ...services, ...declared };
}
