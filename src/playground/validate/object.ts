import type { Resource } from '../resources';
import { matchesSelector } from '../selectors';
import { type Cause, invalid } from '../status';
import type { KubeObject } from '../types';
import { checkLabel, checkServiceName, checkSubdomain } from './names';
import { required, validatePodSpec, validatePort } from './pod-spec';

const TEMPLATED = new Set(['deployments', 'replicasets', 'statefulsets', 'daemonsets']);

/** @throws StatusError 422 naming every field that is wrong. */
export function validateObject(resource: Resource, object: KubeObject): void {
  const causes = [...validateName(resource, object), ...validateSpec(resource, object)];
  if (causes.length > 0) throw invalid(resource, object.metadata.name ?? '', causes);
}

function validateName(resource: Resource, { metadata }: KubeObject): Cause[] {
  const { name, generateName } = metadata;
  if (!name) return generateName ? [] : [required('metadata.name', 'name or generateName is required')];
  if (resource.plural === 'namespaces') return checkLabel(name, 'metadata.name');
  if (resource.plural === 'services') return checkServiceName(name, 'metadata.name');
  return checkSubdomain(name, 'metadata.name');
}

function validateSpec({ plural }: Resource, { spec }: KubeObject): Cause[] {
  if (plural === 'pods') return validatePodSpec(spec, 'spec');
  if (plural === 'jobs') return validateJob(spec);
  if (plural === 'services') return validateService(spec);
  if (plural === 'cronjobs') return spec?.schedule ? [] : [required('spec.schedule')];
  return TEMPLATED.has(plural) ? validateTemplated(spec) : [];
}

function validateTemplated(spec: any): Cause[] {
  const causes: Cause[] = [];
  const labels = spec?.template?.metadata?.labels;
  if (!spec?.selector) causes.push(required('spec.selector'));
  else if (!matchesSelector(spec.selector, labels)) {
    // Go prints the labels as a map literal; JSON says the same.
    const message = `Invalid value: ${JSON.stringify(labels ?? {})}: \`selector\` does not match template \`labels\``;
    causes.push({ reason: 'FieldValueInvalid', message, field: 'spec.template.metadata.labels' });
  }
  return [...causes, ...validatePodSpec(spec?.template?.spec, 'spec.template.spec')];
}

function validateJob(spec: any): Cause[] {
  const causes = validatePodSpec(spec?.template?.spec, 'spec.template.spec');
  const policy = spec?.template?.spec?.restartPolicy;
  if (policy !== 'Never' && policy !== 'OnFailure') {
    causes.push(required('spec.template.spec.restartPolicy', 'valid values: "OnFailure", "Never"'));
  }
  return causes;
}

function validateService(spec: any): Cause[] {
  if (spec?.type === 'ExternalName') return spec.externalName ? [] : [required('spec.externalName')];
  if (!spec?.ports?.length && spec?.clusterIP !== 'None') return [required('spec.ports')];
  const causes: Cause[] = [];
  for (const [index, port] of (spec.ports ?? []).entries()) {
    causes.push(...validatePort(port.port, `spec.ports[${index}].port`));
    if (spec.ports.length > 1 && !port.name) causes.push(required(`spec.ports[${index}].name`));
  }
  return causes;
}
