// Medians and ratios: single figures of a shared machine mean little, ratios within one run do.

export function summarize(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return { n: sorted.length, min: sorted[0], median: at(0.5), p99: at(0.99), max: sorted.at(-1) };
}

/** Runs each case once per round, in turn, so that what slows the machine slows all of them. */
export async function runPaired(rounds, cases) {
  const times = Object.fromEntries(Object.keys(cases).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, action] of Object.entries(cases)) times[name].push(await action());
  }
  return Object.fromEntries(Object.entries(times).map(([name, values]) => [name, summarize(values)]));
}

export const round = (value, digits = 1) => Number(value.toFixed(digits));

/** Rows of aligned columns. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => String(cell).padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
