import type { ClusterAccess } from './cluster';

/** What to take away when the process that started it dies before it is ready. Holds no secret: it could be seen. */
export interface ReaperOrder {
  access: ClusterAccess;
  namespace: string;
  jobName: string;
  /** Only a Job that carries this mark: one that was joined, or made later, is somebody else's. */
  startId: string;
}

/** Says, on the reaper's standard input, that the order has become void. */
export const RELEASED = 'released';
