import { compareRuns } from '../harness';

compareRuns('a child', new URL('./fixtures/children.cjs', import.meta.url));
