import type { PatchContext } from '../runtime/verdict';

/** Takes one patch back, if what stands there is still ours. */
export type Undo = () => void;

export interface Patch {
  /** The built-in module it changes, e.g. `fs`. */
  name: string;
  install(context: PatchContext): Undo;
}
