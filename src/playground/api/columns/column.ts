import type { KubeObject } from '../../types';

/** One column of a Table. Priority 1 shows with `-o wide` only. */
export interface Column {
  name: string;
  type?: 'string' | 'integer';
  format?: string;
  priority?: number;
  cell(object: KubeObject): string | number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** A span as kubectl writes it: fewer units the longer it is. */
export function humanDuration(milliseconds: number): string {
  if (milliseconds < -SECOND) return '<invalid>';
  const ms = Math.max(0, milliseconds);
  const whole = (unit: number, of = ms) => Math.floor(of / unit);
  const pair = (big: number, bigName: string, small: number, smallName: string) => {
    const rest = whole(small, ms % big);
    return `${whole(big)}${bigName}${rest > 0 ? `${rest}${smallName}` : ''}`;
  };
  if (ms < 2 * MINUTE) return `${whole(SECOND)}s`;
  if (ms < 10 * MINUTE) return pair(MINUTE, 'm', SECOND, 's');
  if (ms < 3 * HOUR) return `${whole(MINUTE)}m`;
  if (ms < 8 * HOUR) return pair(HOUR, 'h', MINUTE, 'm');
  if (ms < 2 * DAY) return `${whole(HOUR)}h`;
  if (ms < 8 * DAY) return pair(DAY, 'd', HOUR, 'h');
  if (ms < 2 * YEAR) return `${whole(DAY)}d`;
  if (ms < 8 * YEAR) return pair(YEAR, 'y', DAY, 'd');
  return `${whole(YEAR)}y`;
}

export function since(time: string | null | undefined): string {
  return time ? humanDuration(Date.now() - Date.parse(time)) : '<unknown>';
}

export function age({ metadata }: KubeObject): string {
  return since(metadata.creationTimestamp);
}

export const name: Column = { name: 'Name', format: 'name', cell: ({ metadata }) => metadata.name };
export const ageColumn: Column = { name: 'Age', cell: age };

export const orNone = (value: string | undefined): string => value || '<none>';

/** The three columns by which wide output shows what a workload runs. */
export function templateColumns(selector: (object: KubeObject) => string): Column[] {
  const containers = ({ spec }: KubeObject): any[] => spec?.template?.spec?.containers ?? [];
  return [
    {
      name: 'Containers',
      priority: 1,
      cell: (object) =>
        containers(object)
          .map((c) => c.name)
          .join(','),
    },
    {
      name: 'Images',
      priority: 1,
      cell: (object) =>
        containers(object)
          .map((c) => c.image)
          .join(','),
    },
    { name: 'Selector', priority: 1, cell: (object) => orNone(selector(object)) },
  ];
}
