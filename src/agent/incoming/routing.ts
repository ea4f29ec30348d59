import type { RequestFacts } from './filter/compile';
import type { Subscriber } from './subscriber';

export interface Route {
  /** Who answers; the pod's application when absent. */
  winner: Subscriber | undefined;
  /** Who gets a copy, and has a filter. */
  copies: Subscriber[];
}

/** Who takes one request, of those whose link is there (newest first): a filter that fits goes before none. */
export function routeRequest(active: Subscriber[], facts: RequestFacts): Route {
  const probe = isProbe(facts.headers);
  const candidates = active.filter(({ params }) => params.mode === 'steal' && !(probe && params.keepProbes));
  const winner =
    // The one who came first keeps what it has; others with the same filter wait behind it.
    candidates.findLast(({ matches }) => matches?.test(facts)) ??
    candidates.find(({ matches }) => matches === undefined);
  return { winner, copies: active.filter(({ params, matches }) => params.mode === 'mirror' && matches?.test(facts)) };
}

/** The kubelet's own checks ask how the pod is, not the developer's process. */
export function isProbe(headers: [name: string, value: string][]): boolean {
  return headers.some(([name, value]) => value.startsWith('kube-probe/') && name.toLowerCase() === 'user-agent');
}
