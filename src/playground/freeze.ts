/** Freezes an object and all below it, so that what the store hands out cannot be changed by accident. */
export function deepFreeze<T>(value: T): T {
  if (value === null || typeof value !== 'object' || Object.isFrozen(value)) return value;
  for (const child of Object.values(value)) deepFreeze(child);
  return Object.freeze(value);
}

/** A copy that may be changed. Objects come from JSON, so structured cloning keeps all of them. */
export function thaw<T>(value: T): T {
  return structuredClone(value);
}

/** Seconds are the finest the API shows. */
export function timestamp(time = Date.now()): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
}
