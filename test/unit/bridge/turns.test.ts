import { expect, it } from 'vitest';
import { Turns } from '../../../src/bridge/turns';

/** Things that go on until they are told to end. */
function things() {
  const ends: (() => void)[] = [];
  const run = () => new Promise<void>((resolve) => ends.push(resolve));
  return { run, ends };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

it('does n at once, lets m wait, and refuses one more', async () => {
  const turns = new Turns(2, 3);
  const { run, ends } = things();
  expect([1, 2, 3, 4, 5, 6].map(() => turns.take(run))).toEqual([true, true, true, true, true, false]);
  expect(ends).toHaveLength(2);
  ends[0]!();
  await settle();
  expect(ends).toHaveLength(3);
  expect([turns.take(run), turns.take(run)]).toEqual([true, false]);
  for (let index = 1; index < 6; index++) {
    ends[index]!();
    await settle();
  }
  expect(ends).toHaveLength(6);
  expect(turns.take(run)).toBe(true);
});

it('goes on after one that fails', async () => {
  const turns = new Turns(1, 1);
  const done: string[] = [];
  turns.take(() => Promise.reject(new Error('scripted')));
  turns.take(async () => void done.push('next'));
  await settle();
  expect(done).toEqual(['next']);
});
