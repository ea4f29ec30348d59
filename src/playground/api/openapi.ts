import { apiVersionOf, RESOURCES, type Resource } from '../resources';

/** Query parameters by which kubectl sees that the server validates fields and can dry-run. */
const PARAMETERS = ['dryRun', 'fieldManager', 'fieldValidation', 'force'].map((name) => ({
  name,
  in: 'query',
  schema: { type: 'string', uniqueItems: true },
}));

const rootOf = (resource: Resource): string =>
  resource.group ? `apis/${resource.group}/${resource.version}` : `api/${resource.version}`;

/** The index of /openapi/v3. Without one, `kubectl apply` refuses to work. */
export function openApiIndex(): unknown {
  const roots = new Set(RESOURCES.map(rootOf));
  return {
    paths: Object.fromEntries(
      [...roots].map((root) => [root, { serverRelativeURL: `/openapi/v3/${root}?hash=playground` }]),
    ),
  };
}

/**
 * The document of one group: which kinds can be posted and patched, and no schemas. kubectl then leaves validation to the
 * server.
 */
export function openApiDocument(root: string, version: string): unknown {
  const resources = RESOURCES.filter((resource) => rootOf(resource) === root);
  if (resources.length === 0) return undefined;
  const paths: Record<string, unknown> = {};
  for (const resource of resources) {
    const base = `/${root}${resource.namespaced ? '/namespaces/{namespace}' : ''}/${resource.plural}`;
    paths[base] = { post: operation(resource, 'post') };
    paths[`${base}/{name}`] = { patch: operation(resource, 'patch') };
  }
  return { openapi: '3.0.0', info: { title: 'Kubernetes', version }, paths, components: { schemas: {} } };
}

function operation(resource: Resource, action: string): unknown {
  const [version, group = ''] = apiVersionOf(resource).split('/').reverse();
  return {
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group, version, kind: resource.kind },
    parameters: PARAMETERS,
    responses: {},
  };
}
