import type { FileIntent, MethodName, Params, Result } from '../../runtime/verdict';
import { type Failing, failureCode, systemError } from './errors';
import type { Gate } from './gate';
import type { PodPath } from './paths';
import { type Steps, take } from './steps';

/** One call of the app that is the pod's. */
export interface Call {
  gate: Gate;
  target: PodPath;
  form: 'sync' | 'callback' | 'promise';
  /** Arguments after the path, without the callback. */
  rest: unknown[];
}

/** One file function in all forms Node has it in. */
export interface Operation<O = any> {
  /** Name of the callback form; the blocking one has `Sync` behind it. */
  method: string;
  /** What libuv calls it in errors. */
  syscall: string;
  /** How many arguments follow the path, the callback left out. */
  maxArguments: number;
  /** By the first argument after the path; `read` when it is not given. */
  intent?(first: unknown): FileIntent;
  /** Undefined = not a form we know: Node's own function gets the call, and refuses it if it is wrong. */
  parse(rest: unknown[], form: Call['form']): O | undefined;
  run(call: Call, options: O): Steps<unknown>;
  /** For errors that say more than the function and its path. */
  failing?(call: Call): Failing;
  /** Its callback gets a second argument even where there is no value. */
  passesUndefined?: true;
  /** Something that is thrown instead of Node's system error, where Node does that. */
  fail?(error: unknown, call: Call, options: O): Steps<unknown>;
}

export interface Answer<M extends MethodName> {
  result: Result<M>;
  raw: Uint8Array;
}

/** Asks the agent, in the form the app called in. Fails with what the link gives; wrappers make Node's error of it. */
export function* ask<M extends MethodName>(gate: Gate, method: M, params: Params<M>): Steps<Answer<M>> {
  return yield* take<Answer<M>>({
    sync: () => gate.files.callSync(method, params),
    async: () => gate.files.call(method, params),
  });
}

/** Gives failures of some steps the names of another call than the one the app made. */
export function* attempt<R>(steps: Steps<R>, syscall: string, path: string): Steps<R> {
  try {
    return yield* steps;
  } catch (error) {
    const code = failureCode(error);
    throw code === undefined ? error : systemError(code, { syscall, path });
  }
}
