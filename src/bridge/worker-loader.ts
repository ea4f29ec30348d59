import { join } from 'node:path';
import { loadCached } from './load-cached';

/** Entry of the thread that holds the session: its real program is most of a second's compiling on a busy machine. */
loadCached(join(__dirname, 'bridge-worker.cjs'));
