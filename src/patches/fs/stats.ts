import type { WireStat } from '../../runtime/verdict';
import { realFs } from './originals';

/**
 * Stats of this very Node version: the constructor is deprecated, its fields moved to getters in Node 22, and StatFs
 * has no public constructor. So a real one is taken apart once, and filled with the pod's values in the same order.
 */
interface Shape {
  prototype: object;
  keys: string[];
}

const shapes = new Map<string, Shape>();

function shapeOf(name: string, sample: () => object): Shape {
  let shape = shapes.get(name);
  if (!shape) {
    const real = sample();
    shape = { prototype: Object.getPrototypeOf(real) as object, keys: Object.keys(real) };
    shapes.set(name, shape);
  }
  return shape;
}

const TIMES = ['atime', 'mtime', 'ctime', 'birthtime'] as const;

/** Codecs may hand over small numbers as such. */
const big = (value: bigint | number): bigint => BigInt(value);

/** Whole seconds and the rest, the rest never negative, as the kernel keeps them. */
function splitSeconds(ns: bigint): { seconds: bigint; rest: bigint } {
  const rest = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { seconds: (ns - rest) / 1_000_000_000n, rest };
}

function timeFields(wire: WireStat, bigint: boolean): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const time of TIMES) {
    const ns = big(wire[`${time}Ns`]);
    const { seconds, rest } = splitSeconds(ns);
    // Node adds the two parts as doubles; any other order of operations gives another last digit.
    const ms = bigint ? seconds * 1000n + rest / 1_000_000n : Number(seconds) * 1000 + Number(rest) / 1_000_000;
    fields[`${time}Ms`] = ms;
    fields[`${time}Ns`] = ns;
    fields[time] = new Date(Math.round(Number(ms)));
  }
  return fields;
}

function fill(shape: Shape, fields: Record<string, unknown>): object {
  const stats = Object.create(shape.prototype) as Record<string, unknown>;
  for (const key of shape.keys) stats[key] = fields[key];
  return stats;
}

/** `fs.Stats` or, with `bigint`, `BigIntStats`. */
export function makeStats(wire: WireStat, bigint: boolean): object {
  const shape = shapeOf(`stats:${bigint}`, () => realFs.statSync(process.execPath, { bigint: bigint as true }));
  const fields = timeFields(wire, bigint);
  for (const [key, value] of Object.entries(wire)) {
    if (key in fields) continue;
    fields[key] = bigint ? big(value as bigint) : Number(value);
  }
  return fill(shape, fields);
}

/** `StatFs` with numbers or bigints. */
export function makeStatFs(wire: Record<string, bigint>, bigint: boolean): object {
  const shape = shapeOf(`statfs:${bigint}`, () => realFs.statfsSync(process.execPath, { bigint: bigint as true }));
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(wire)) fields[key] = bigint ? big(value) : Number(value);
  return fill(shape, fields);
}
