import { compareRuns } from '../harness';

compareRuns('a Redis client', new URL('./fixtures/redis.cjs', import.meta.url), { uses: { connects: 2 } });
