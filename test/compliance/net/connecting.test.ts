import { compareRuns } from '../harness';

compareRuns('a socket that connects', new URL('./fixtures/connecting.cjs', import.meta.url), {
  uses: { connects: 15 },
});
