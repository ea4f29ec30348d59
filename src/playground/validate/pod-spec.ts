import type { Cause } from '../status';
import { checkLabel } from './names';

export const required = (field: string, detail?: string): Cause => ({
  reason: 'FieldValueRequired',
  message: detail ? `Required value: ${detail}` : 'Required value',
  field,
});

/** Required fields, names and duplicates of a pod's containers and volumes. */
export function validatePodSpec(spec: any, path: string): Cause[] {
  const causes: Cause[] = [];
  if (!spec?.containers?.length) causes.push(required(`${path}.containers`));
  const seen = new Set<string>();
  const volumes = new Set<string>((spec?.volumes ?? []).map((volume: any) => volume.name));
  for (const list of ['containers', 'initContainers', 'ephemeralContainers']) {
    for (const [index, container] of (spec?.[list] ?? []).entries()) {
      causes.push(...validateContainer(container, `${path}.${list}[${index}]`, seen, volumes));
    }
  }
  return causes;
}

function validateContainer(container: any, path: string, seen: Set<string>, volumes: Set<string>): Cause[] {
  const causes: Cause[] = [];
  if (!container.name) causes.push(required(`${path}.name`));
  else if (seen.has(container.name)) {
    const message = `Duplicate value: ${JSON.stringify(container.name)}`;
    causes.push({ reason: 'FieldValueDuplicate', message, field: `${path}.name` });
  } else causes.push(...checkLabel(container.name, `${path}.name`));
  seen.add(container.name);
  if (!container.image) causes.push(required(`${path}.image`));
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const field = `${path}.volumeMounts[${index}]`;
    if (!mount.mountPath) causes.push(required(`${field}.mountPath`));
    if (!volumes.has(mount.name)) {
      const message = `Not found: ${JSON.stringify(mount.name ?? '')}`;
      causes.push({ reason: 'FieldValueNotFound', message, field: `${field}.name` });
    }
  }
  for (const [index, port] of (container.ports ?? []).entries()) {
    causes.push(...validatePort(port.containerPort, `${path}.ports[${index}].containerPort`));
  }
  return causes;
}

export function validatePort(port: unknown, field: string): Cause[] {
  if (port === undefined || port === 0) return [required(field)];
  if (Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536) return [];
  const message = `Invalid value: ${JSON.stringify(port)}: must be between 1 and 65535, inclusive`;
  return [{ reason: 'FieldValueInvalid', message, field }];
}
