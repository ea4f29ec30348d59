import { expect, it } from 'vitest';
import { nearestWord } from '../../../src/errors';

it.each([
  ['wbe', ['api', 'web'], 'web'],
  ['deplyment', ['pod', 'deployment'], 'deployment'],
  ['Target', ['target'], 'target'],
  ['reveiws', ['ratings', 'reviews'], 'reviews'],
  ['x', ['y'], 'y'],
  ['ab', ['xy'], undefined],
  ['abc', ['xyz'], undefined],
  ['abcdef', ['abcdxy'], 'abcdxy'],
  ['abcdef', ['abcxyz'], undefined],
  ['', ['a'], 'a'],
  ['a', [], undefined],
])('%j among %j is %j', (word, candidates, expected) => {
  expect(nearestWord(word, candidates)).toBe(expected);
});
