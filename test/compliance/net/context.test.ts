import { compareRuns } from '../harness';

compareRuns('AsyncLocalStorage', new URL('./fixtures/context.cjs', import.meta.url), {
  uses: { connects: 6, calls: 2 },
});
