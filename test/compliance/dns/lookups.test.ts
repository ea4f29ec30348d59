import { compareRuns } from '../harness';

compareRuns('a lookup', new URL('./fixtures/lookups.cjs', import.meta.url), { uses: { calls: 4 } });
