import { compareRuns } from '../harness';

compareRuns('a socket that closes', new URL('./fixtures/closing.cjs', import.meta.url), { uses: { connects: 7 } });
