export interface Schedule {
  /** The allowed values of minute, hour, day of month, month and day of week. */
  sets: Set<number>[];
  /** Whether a field for the day is `*`; as in cron, two restricted ones mean either of them. */
  isAnyDay: boolean;
}

const RANGES: [number, number][] = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
];
const NAMED: Record<string, string> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};
const MINUTE = 60_000;
const HORIZON_MINUTES = 366 * 24 * 60;

/** Parses five fields of numbers, `*`, ranges, lists and steps; undefined for anything else. Times are UTC. */
export function parseSchedule(text: string): Schedule | undefined {
  const fields = (NAMED[text.trim()] ?? text).trim().split(/\s+/);
  if (fields.length !== RANGES.length) return undefined;
  const sets: Set<number>[] = [];
  for (const [index, field] of fields.entries()) {
    const set = parseField(field, ...RANGES[index]!);
    if (!set) return undefined;
    sets.push(set);
  }
  // Sunday is 0 and 7.
  if (sets[4]!.has(7)) sets[4]!.add(0);
  return { sets, isAnyDay: fields[2] === '*' || fields[4] === '*' };
}

function parseField(field: string, min: number, max: number): Set<number> | undefined {
  const values = new Set<number>();
  for (const part of field.split(',')) {
    const match = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part);
    if (!match) return undefined;
    const [, first, last, every] = match;
    const step = Number(every ?? 1);
    const from = Number(first ?? min);
    const to = Number(last ?? (first === undefined || every !== undefined ? max : first));
    if (step < 1 || from < min || to > max || from > to) return undefined;
    for (let value = from; value <= to; value += step) values.add(value);
  }
  return values;
}

/** The first run after a time, both in milliseconds since 1970; undefined when there is none within a year. */
export function nextRun(schedule: Schedule, after: number): number | undefined {
  let time = (Math.floor(after / MINUTE) + 1) * MINUTE;
  for (let minutes = 0; minutes < HORIZON_MINUTES; minutes++, time += MINUTE) {
    if (matches(schedule, new Date(time))) return time;
  }
  return undefined;
}

function matches({ sets, isAnyDay }: Schedule, date: Date): boolean {
  const [minutes, hours, days, months, weekdays] = sets;
  const isDay = days!.has(date.getUTCDate());
  const isWeekday = weekdays!.has(date.getUTCDay());
  return (
    minutes!.has(date.getUTCMinutes()) &&
    hours!.has(date.getUTCHours()) &&
    months!.has(date.getUTCMonth() + 1) &&
    (isAnyDay ? isDay && isWeekday : isDay || isWeekday)
  );
}
