import type { Undo } from './patch';

type AnyFunction = (this: any, ...args: any[]) => any;

/** Makes `wrapper` look like `original`: own properties (name, length, custom promisify, lazy getters) and prototype. */
export function disguise<F extends AnyFunction>(wrapper: F, original: AnyFunction): F {
  for (const key of Reflect.ownKeys(original)) {
    // A plain function's own `prototype` stays its own unless it is a constructor that callers use with `new`.
    const descriptor = Object.getOwnPropertyDescriptor(original, key)!;
    const own = Object.getOwnPropertyDescriptor(wrapper, key);
    if (own && !own.configurable && !own.writable) continue;
    try {
      Object.defineProperty(wrapper, key, descriptor);
    } catch {
      // `arguments` and `caller` of sloppy functions cannot be redefined; nobody reads them.
    }
  }
  const prototype = Object.getPrototypeOf(original);
  if (Object.getPrototypeOf(wrapper) !== prototype) Object.setPrototypeOf(wrapper, prototype);
  return wrapper;
}

/**
 * Replaces `target[name]` by what `make` gives for the original, keeping the property's descriptor. The undo puts the
 * original back only while the property still holds our wrapper: who patched over us stays untouched.
 */
export function wrapMethod<T extends object, K extends keyof T & (string | symbol)>(
  target: T,
  name: K,
  make: (original: any) => AnyFunction,
): Undo {
  const descriptor = Object.getOwnPropertyDescriptor(target, name);
  const original = target[name] as unknown;
  if (typeof original !== 'function') return () => {};
  const wrapper = disguise(make(original), original as AnyFunction);
  Object.defineProperty(target, name, {
    value: wrapper,
    writable: descriptor?.writable ?? true,
    enumerable: descriptor?.enumerable ?? true,
    configurable: descriptor?.configurable ?? true,
  });
  return () => {
    if ((target[name] as unknown) !== wrapper) return;
    if (descriptor) Object.defineProperty(target, name, descriptor);
    else delete target[name];
  };
}
