import { compareRuns } from '../harness';

compareRuns('the shape', new URL('./fixtures/shape.cjs', import.meta.url), { uses: { connects: 2 } });
