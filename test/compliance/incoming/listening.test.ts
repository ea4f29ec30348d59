import { compareRuns } from '../harness';

compareRuns('servers', new URL('./fixtures/listening.cjs', import.meta.url));
