import { timestamp } from '../freeze';
import { badRequest } from '../status';
import { USER } from './authorize';
import { mediaType, parseObject, readBody } from './body';
import type { ResourceCall } from './context';
import { checkKind } from './prepare';
import { decodeAccessReview } from './protobuf';
import { sendJson } from './respond';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** POST of a review: answers what the user may do, or who that is. Nothing is stored. */
export async function handleReview(call: ResourceCall): Promise<void> {
  const { request, resource, response } = call;
  const body = await readBody(request);
  const isProtobuf = mediaType(request) === PROTOBUF;
  const review = isProtobuf ? readProtobuf(call, body) : parseObject(body, mediaType(request), resource.kind);
  checkKind(resource, review);
  const { apiVersion, kind, spec } = review;
  const answer = ANSWERS[resource.plural]!;
  const metadata = resource.plural === 'selfsubjectreviews' ? { creationTimestamp: timestamp() } : {};
  const result = { kind, apiVersion, metadata, ...(spec ? { spec } : {}), status: answer(call, spec ?? {}) };
  sendJson(response, result, { code: 201 });
}

/** Typed clients send these in protobuf whatever they are told, so it is read here. */
function readProtobuf({ resource }: ResourceCall, body: Buffer): Record<string, any> {
  if (resource.plural !== 'selfsubjectaccessreviews') return {};
  try {
    return { spec: decodeAccessReview(body) };
  } catch (error) {
    throw badRequest(`the protobuf body of the review cannot be read: ${(error as Error).message}`);
  }
}

const ANSWERS: Record<string, (call: ResourceCall, spec: any) => unknown> = {
  selfsubjectaccessreviews: reviewAccess,
  selfsubjectrulesreviews: reviewRules,
  selfsubjectreviews: () => ({ userInfo: { username: USER, groups: ['system:masters', 'system:authenticated'] } }),
};

function reviewAccess({ context }: ResourceCall, { resourceAttributes: wanted }: any): unknown {
  if (!wanted) return { allowed: true };
  const [resource, ofName] = String(wanted.resource ?? '').split('/');
  const allowed = context.authorizer.allows({
    verb: wanted.verb ?? '',
    group: wanted.group ?? '',
    resource: resource!,
    subresource: wanted.subresource || ofName,
    namespace: wanted.namespace,
    name: wanted.name,
  });
  return { allowed };
}

/** RBAC knows no "everything but", so with a deny list in force the answer calls itself incomplete. */
function reviewRules({ context }: ResourceCall): unknown {
  const isComplete = context.authorizer.rules().length === 0;
  return {
    resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
    nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
    incomplete: !isComplete,
    ...(isComplete ? {} : { evaluationError: 'a deny list is in force; ask for single permissions instead' }),
  };
}
