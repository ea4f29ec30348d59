import { nextTick } from '../originals';
import type { Call, Operation } from './call';
import { type Failing, hideFrames, systemError, toNodeError } from './errors';
import type { Gate } from './gate';
import type { PodPath } from './paths';
import { runAsync, runSync, type Steps } from './steps';
import { matchSyncShape } from './sync-errors';

type AnyFunction = (this: any, ...args: any[]) => any;

/** What one call comes to: work for the agent, an error at once, or Node's own function (undefined). */
interface Plan {
  steps: Steps<unknown>;
  call: Call;
}

function* withFailure(operation: Operation, call: Call, options: unknown): Steps<unknown> {
  try {
    return yield* operation.run(call, options);
  } catch (error) {
    if (!operation.fail) throw error;
    return yield* operation.fail(error, call, options);
  }
}

// biome-ignore lint/correctness/useYield: a call that fails before its first step
function* refused(error: unknown): Steps<unknown> {
  throw error;
}

/** `end` is where the arguments that are not the callback end. Allocates nothing for a call that is not the pod's. */
function plan(gate: Gate, operation: Operation, form: Call['form'], args: unknown[], end: number): Plan | undefined {
  const route = gate.route(args[0], operation.intent === undefined ? 'read' : operation.intent(args[1]));
  if (route === undefined) return undefined;
  if (route.kind === 'mapped') {
    args[0] = route.path;
    return undefined;
  }
  const rest = args.slice(1, end);
  const options = operation.parse(rest, form);
  if (options === undefined) return undefined;
  const target: PodPath = route.kind === 'pod' ? route : { kind: 'pod', given: route.given, normal: '', ask: '' };
  const call: Call = { gate, target, form, rest };
  if (route.kind === 'refused') {
    const { code = 'EACCES', cause } = route.error as NodeJS.ErrnoException & { cause?: unknown };
    gate.log('fs', `${operation.method} ${route.given}: refused, ${code}`);
    return { call, steps: refused(systemError(code, failingOf(operation, call), cause)) };
  }
  gate.log('fs', `${operation.method} ${route.given}: pod`);
  return { call, steps: withFailure(operation, call, options) };
}

function failingOf(operation: Operation, call: Call): Failing {
  return operation.failing?.(call) ?? { syscall: operation.syscall, path: call.target.given };
}

export function wrapSync(gate: Gate, operation: Operation, original: AnyFunction): AnyFunction {
  return function wrapper(this: unknown, ...args: unknown[]): unknown {
    const planned = plan(gate, operation, 'sync', args, 1 + operation.maxArguments);
    if (!planned) return Reflect.apply(original, this, args);
    try {
      return runSync(planned.steps);
    } catch (error) {
      const failed = toNodeError(error, failingOf(operation, planned.call));
      throw hideFrames(matchSyncShape(failed, operation.method), wrapper);
    }
  };
}

export function wrapCallback(gate: Gate, operation: Operation, original: AnyFunction): AnyFunction {
  return function wrapper(this: unknown, ...args: unknown[]): unknown {
    let last = 1;
    while (last <= operation.maxArguments && typeof args[last] !== 'function') last += 1;
    const callback = args[last];
    const planned = typeof callback === 'function' ? plan(gate, operation, 'callback', args, last) : undefined;
    if (!planned) return Reflect.apply(original, this, args);
    // From the event loop, not from a promise: what a callback throws must be an uncaught exception.
    runAsync(planned.steps).then(
      (value) => {
        if (value === undefined && !operation.passesUndefined) nextTick(callback as AnyFunction, null);
        else nextTick(callback as AnyFunction, null, value);
      },
      (error: unknown) => {
        nextTick(callback as AnyFunction, toNodeError(error, failingOf(operation, planned.call)));
      },
    );
    return undefined;
  };
}

export function wrapPromise(gate: Gate, operation: Operation, original: AnyFunction): AnyFunction {
  // A method, as it has no `prototype` of its own: async functions have none either.
  return {
    wrapper(this: unknown, ...args: unknown[]): unknown {
      const planned = plan(gate, operation, 'promise', args, 1 + operation.maxArguments);
      return planned ? settle(planned, operation) : Reflect.apply(original, this, args);
    },
  }.wrapper;
}

/** An async function, so that the stack of an error shows the async functions that wait for it, as Node's does. */
async function settle({ steps, call }: Plan, operation: Operation): Promise<unknown> {
  try {
    return await runAsync(steps);
  } catch (error) {
    throw hideFrames(toNodeError(error, failingOf(operation, call)), settle);
  }
}

/** `exists` answers false where others fail, and its callback has no error. */
export function wrapExists(gate: Gate, access: Operation, original: AnyFunction): AnyFunction {
  return function wrapper(this: unknown, ...args: unknown[]): unknown {
    const callback = args[1];
    const planned = typeof callback === 'function' ? plan(gate, access, 'callback', args, 1) : undefined;
    if (!planned) return Reflect.apply(original, this, args);
    runAsync(planned.steps).then(
      () => nextTick(callback as AnyFunction, true),
      () => nextTick(callback as AnyFunction, false),
    );
    return undefined;
  };
}

export function wrapExistsSync(gate: Gate, access: Operation, original: AnyFunction): AnyFunction {
  return function wrapper(this: unknown, ...args: unknown[]): unknown {
    const planned = plan(gate, access, 'sync', args, 1);
    if (!planned) return Reflect.apply(original, this, args);
    try {
      runSync(planned.steps);
      return true;
    } catch {
      return false;
    }
  };
}
