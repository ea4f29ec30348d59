import { apiVersionOf, RESOURCES, REVIEWS, type Resource } from '../resources';

const ALL = [...RESOURCES, ...REVIEWS];

export const AGGREGATED_TYPE = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** Whether a client asks for all groups and resources in one answer. */
export function wantsAggregated(accept: string | undefined): boolean {
  return (accept ?? '').split(',').some((clause) => {
    const parts = new Set(clause.split(';').map((part) => part.trim()));
    return parts.has('as=APIGroupDiscoveryList') && parts.has('v=v2') && parts.has('application/json');
  });
}

/** The resources of the core group, or those of all the others, by group. */
function groupsOf(isCore: boolean): Map<string, Resource[]> {
  const groups = new Map<string, Resource[]>();
  for (const resource of ALL) {
    if ((resource.group === '') !== isCore) continue;
    groups.set(resource.group, [...(groups.get(resource.group) ?? []), resource]);
  }
  return groups;
}

/** The whole of /api or /apis in the aggregated form. */
export function aggregatedDiscovery(isCore: boolean): unknown {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: [...groupsOf(isCore)].map(([group, resources]) => ({
      metadata: group ? { name: group, creationTimestamp: null } : { creationTimestamp: null },
      versions: [
        { version: resources[0]!.version, resources: resources.map(aggregatedResource), freshness: 'Current' },
      ],
    })),
  };
}

function aggregatedResource(resource: Resource): unknown {
  const { plural, kind, namespaced, verbs, shortNames, categories, subresources } = resource;
  return {
    resource: plural,
    responseKind: { group: '', version: '', kind },
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.toLowerCase(),
    verbs,
    ...(shortNames.length ? { shortNames } : {}),
    ...(categories.length ? { categories } : {}),
    ...(subresources.length
      ? {
          subresources: subresources.map((subresource) => ({
            subresource: subresource.name,
            responseKind: {
              group: subresource.group ?? '',
              version: subresource.version ?? '',
              kind: subresource.kind ?? kind,
            },
            verbs: subresource.verbs,
          })),
        }
      : {}),
  };
}

export function apiVersions(serverAddress: string): unknown {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

export function apiGroupList(): unknown {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: [...groupsOf(false).keys()].map(groupEntry) };
}

/** One group by name; undefined when there is none. */
export function apiGroup(name: string): unknown {
  return groupsOf(false).has(name) ? { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(name) } : undefined;
}

function groupEntry(name: string): Record<string, unknown> {
  const { version } = ALL.find(({ group }) => group === name)!;
  const entry = { groupVersion: `${name}/${version}`, version };
  return { name, versions: [entry], preferredVersion: entry };
}

/** The resources of one group and version; undefined when there is none. */
export function apiResourceList(group: string, version: string): unknown {
  const resources = ALL.filter((resource) => resource.group === group && resource.version === version);
  if (resources.length === 0) return undefined;
  const groupVersion = apiVersionOf(resources[0]!);
  return {
    kind: 'APIResourceList',
    ...(group ? { apiVersion: 'v1' } : {}),
    groupVersion,
    resources: resources.flatMap(entries),
  };
}

function entries(resource: Resource): unknown[] {
  const { plural, kind, namespaced, verbs, shortNames, categories, subresources } = resource;
  const main = {
    name: plural,
    singularName: kind.toLowerCase(),
    namespaced,
    kind,
    verbs,
    ...(shortNames.length ? { shortNames } : {}),
    ...(categories.length ? { categories } : {}),
  };
  const rest = subresources.map((subresource) => ({
    name: `${plural}/${subresource.name}`,
    singularName: '',
    namespaced,
    ...(subresource.group ? { group: subresource.group, version: subresource.version } : {}),
    kind: subresource.kind ?? kind,
    verbs: subresource.verbs,
  }));
  return [main, ...rest];
}
