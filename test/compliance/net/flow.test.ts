import { compareRuns } from '../harness';

compareRuns('the bytes of a socket', new URL('./fixtures/flow.cjs', import.meta.url), { uses: { connects: 403 } });
