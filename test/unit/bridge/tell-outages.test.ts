import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tellOutages } from '../../../src/bridge/tell-outages';

const lines: string[] = [];
const onState = tellOutages(({ type, text }) => lines.push(`${type}: ${text}`), 1_000);
const lost = new Error('the agent was silent for 15000 ms\nand more');

beforeEach(() => {
  lines.length = 0;
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

describe('an outage of the link', () => {
  it('is told once it has lasted a while, with its reason, and when it is over', () => {
    onState('lost', lost);
    vi.advanceTimersByTime(999);
    expect(lines).toEqual([]);
    vi.advanceTimersByTime(1);
    const warning =
      'warn: the link to the agent is lost (the agent was silent for 15000 ms); new connections and calls wait for it';
    expect(lines).toEqual([warning]);
    vi.advanceTimersByTime(4_000);
    onState('resumed', undefined);
    expect(lines).toEqual([warning, 'done: the link to the agent is back after 5.0 s']);
  });

  it('that is over at once is nobody’s business', () => {
    onState('lost', lost);
    vi.advanceTimersByTime(900);
    onState('resumed', undefined);
    vi.advanceTimersByTime(60_000);
    expect(lines).toEqual([]);
  });

  it('that ends with the session is told by whoever makes the next one', () => {
    onState('lost', lost);
    onState('ended', lost);
    vi.advanceTimersByTime(60_000);
    onState('up', undefined);
    expect(lines).toEqual([]);
    onState('lost', lost);
    vi.advanceTimersByTime(2_000);
    onState('ended', lost);
    onState('up', undefined);
    onState('lost', lost);
    onState('resumed', undefined);
    expect(lines).toHaveLength(1);
  });
});
