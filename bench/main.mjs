// npm run bench -- NAME [--json] [--rounds N]
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    kubeconfig: { type: 'string' },
    /** Of `link`: only tests whose title holds this text; numbers of idle streams. */
    only: { type: 'string' },
    idle: { type: 'string' },
    /** Of `link`: what has not begun by then is left out, and named. */
    minutes: { type: 'string' },
  },
});

const benches = {
  start: () => import('./start.mjs'),
  link: () => import('./link.mjs'),
  incoming: () => import('./incoming.mjs'),
};
const [name = ''] = positionals;
if (!Object.hasOwn(benches, name)) {
  console.error(`unknown benchmark "${name}": give one of ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}
const { run } = await benches[name]();
const report = await run(values);
if (values.json) console.log(JSON.stringify(report));
