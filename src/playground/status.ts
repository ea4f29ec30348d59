import { qualifiedName, type Resource } from './resources';
import { StatusError } from './status-error';

type Named = Pick<Resource, 'group' | 'plural'>;

/** `details` of a Status about an object: the group is left out for the core group, as the real server does. */
export function detailsOf(resource: Named, name?: string): Record<string, unknown> {
  return {
    ...(name === undefined ? {} : { name }),
    ...(resource.group ? { group: resource.group } : {}),
    kind: resource.plural,
  };
}

export function notFound(resource: Named, name: string): StatusError {
  return new StatusError(404, 'NotFound', `${qualifiedName(resource)} "${name}" not found`, detailsOf(resource, name));
}

export function alreadyExists(resource: Named, name: string): StatusError {
  const message = `${qualifiedName(resource)} "${name}" already exists`;
  return new StatusError(409, 'AlreadyExists', message, detailsOf(resource, name));
}

export function conflict(resource: Named, name: string): StatusError {
  const message =
    `Operation cannot be fulfilled on ${qualifiedName(resource)} "${name}": ` +
    'the object has been modified; please apply your changes to the latest version and try again';
  return new StatusError(409, 'Conflict', message, detailsOf(resource, name));
}

export function badRequest(message: string): StatusError {
  return new StatusError(400, 'BadRequest', message);
}

export interface Cause {
  reason:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueDuplicate'
    | 'FieldValueForbidden'
    | 'FieldValueNotFound';
  message: string;
  field: string;
}

/** 422 with one cause per field; several are shown in brackets. Here `kind` is the Kind, not the plural. */
export function invalid(resource: Resource, name: string, causes: Cause[]): StatusError {
  const qualifiedKind = resource.group ? `${resource.kind}.${resource.group}` : resource.kind;
  const lines = causes.map((cause) => `${cause.field}: ${cause.message}`);
  const text = lines.length === 1 ? lines[0]! : `[${lines.join(', ')}]`;
  return new StatusError(422, 'Invalid', `${qualifiedKind} "${name}" is invalid: ${text}`, {
    ...detailsOf(resource, name),
    kind: resource.kind,
    causes,
  });
}

/** The `Status` object for a failure. */
export function statusBody(error: StatusError): Record<string, unknown> {
  const { continue: token, ...details } = error.details ?? {};
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: token === undefined ? {} : { continue: token },
    status: 'Failure',
    message: error.message,
    ...(error.reason ? { reason: error.reason } : {}),
    ...(error.details && token === undefined ? { details } : {}),
    code: error.code,
  };
}
