import os from 'node:os';
import type { Patch } from './patch';
import { wrapMethod } from './wrap';

/** `os.hostname()` is the pod's, which its own hosts file resolves. */
export const osPatch: Patch = {
  name: 'os',
  install({ hostname }) {
    if (hostname === undefined) return () => {};
    const undo = wrapMethod(os, 'hostname', () => () => hostname);
    // Node lets the function be used as the text; the copied property would still give this machine's name.
    Object.defineProperty(os.hostname, Symbol.toPrimitive, {
      ...Object.getOwnPropertyDescriptor(os.hostname, Symbol.toPrimitive),
      value: () => hostname,
    });
    return undo;
  },
};
