/**
 * An operation is written once, as a generator of steps, and runs in Node's three forms: a step that blocks for
 * `readFileSync`, one that gives a promise for `readFile` and `promises.readFile`.
 */
export interface Step<T> {
  sync(): T;
  async(): Promise<T>;
}

export type Steps<R> = Generator<Step<any>, R, any>;

/** `yield* take(step)` has the step's type, which a bare `yield` does not. */
export function* take<T>(step: Step<T>): Generator<Step<T>, T, T> {
  return yield step;
}

export function runSync<R>(steps: Steps<R>): R {
  let turn = steps.next();
  while (!turn.done) {
    let value: unknown;
    try {
      value = turn.value.sync();
    } catch (error) {
      turn = steps.throw(error);
      continue;
    }
    turn = steps.next(value);
  }
  return turn.value;
}

export async function runAsync<R>(steps: Steps<R>): Promise<R> {
  let turn = steps.next();
  while (!turn.done) {
    let value: unknown;
    try {
      value = await turn.value.async();
    } catch (error) {
      turn = steps.throw(error);
      continue;
    }
    turn = steps.next(value);
  }
  return turn.value;
}
