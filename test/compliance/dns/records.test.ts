import { compareRuns } from '../harness';

compareRuns('an answer of the resolver', new URL('./fixtures/records.cjs', import.meta.url), { uses: { calls: 36 } });
