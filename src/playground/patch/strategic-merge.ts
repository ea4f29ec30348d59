import { badRequest } from '../status';
import { isSet, mergeKeyOf } from './list-keys';
import { define, isObject } from './merge';

type Fields = Record<string, unknown>;

const ORDER = '$setElementOrder/';
const DELETE_VALUES = '$deleteFromPrimitiveList/';

/**
 * Kubernetes' strategic merge patch, for the lists in list-keys. Understands `$patch: delete | replace | merge`,
 * `$retainKeys`, `$setElementOrder/…` and `$deleteFromPrimitiveList/…`. Returns a new object.
 *
 * @throws StatusError 400 for an unknown directive or a keyed element without its key.
 */
export function strategicMerge(target: Fields, patch: Fields, path: readonly string[] = []): Fields {
  const directive = patch.$patch;
  if (directive === 'delete') return {};
  const { $patch: _directive, $retainKeys: retained, ...changes } = patch;
  if (directive === 'replace') return changes;
  if (directive !== undefined && directive !== 'merge') throw badRequest(`Unknown patch type found: ${directive}`);

  const result: Fields = { ...target };
  if (Array.isArray(retained)) for (const key of Object.keys(result)) if (!retained.includes(key)) delete result[key];

  for (const [field, value] of Object.entries(changes)) {
    if (field.startsWith(ORDER)) continue;
    if (field.startsWith(DELETE_VALUES)) {
      removeValues(result, field.slice(DELETE_VALUES.length), value);
    } else if (value === null) {
      delete result[field];
    } else if (isObject(value)) {
      define(result, field, strategicMerge(isObject(result[field]) ? result[field] : {}, value, [...path, field]));
    } else if (Array.isArray(value)) {
      define(result, field, mergeList(asList(result[field]), value, field, path));
    } else {
      define(result, field, value);
    }
  }
  // Last, because the order speaks of the elements that are there after the merge.
  for (const [field, order] of Object.entries(changes)) {
    if (field.startsWith(ORDER)) reorder(result, field.slice(ORDER.length), asList(order), path);
  }
  return result;
}

function mergeList(current: unknown[], patch: unknown[], field: string, path: readonly string[]): unknown[] {
  if (isSet(field)) return [...new Set([...current, ...patch])];
  const key = mergeKeyOf(field, path);
  if (key === undefined || !patch.every(isObject)) return patch;
  const elements = patch as Fields[];
  if (elements.some((element) => element.$patch === 'replace')) {
    return elements.filter((element) => element.$patch !== 'replace');
  }

  const result = [...current] as Fields[];
  for (const element of elements) {
    const id = element[key];
    if (id === undefined)
      throw badRequest(`map: ${JSON.stringify(element)} does not contain declared merge key: ${key}`);
    const index = result.findIndex((existing) => existing[key] === id);
    if (element.$patch === 'delete') {
      if (index >= 0) result.splice(index, 1);
    } else if (index >= 0) {
      result[index] = strategicMerge(result[index]!, element, [...path, field]);
    } else {
      // Merging into nothing also takes the directives out of what is added.
      result.push(strategicMerge({}, element, [...path, field]));
    }
  }
  return result;
}

function removeValues(result: Fields, field: string, values: unknown): void {
  const unwanted = asList(values);
  if (Array.isArray(result[field])) result[field] = result[field].filter((value) => !unwanted.includes(value));
}

/** Elements that the order does not name keep their place relative to their left neighbour. */
function reorder(result: Fields, field: string, order: unknown[], path: readonly string[]): void {
  const list = result[field];
  if (!Array.isArray(list)) return;
  const key = mergeKeyOf(field, path);
  const idOf = (element: unknown) => (key !== undefined && isObject(element) ? element[key] : element);
  const rank = new Map(order.map((element, index) => [idOf(element), index]));
  let last = -1;
  const ranked = list.map((element, index) => {
    last = rank.get(idOf(element)) ?? last;
    return { element, rank: last, index };
  });
  result[field] = ranked.sort((a, b) => a.rank - b.rank || a.index - b.index).map(({ element }) => element);
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
