import { compareRuns } from '../harness';

compareRuns('a client', new URL('./fixtures/clients.cjs', import.meta.url), { uses: { connects: 16 } });
