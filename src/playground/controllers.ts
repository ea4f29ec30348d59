import { type Controller, runController } from './controllers/controller';
import { cronJobController } from './controllers/cron-job';
import { daemonSetController } from './controllers/daemon-set';
import { deploymentController } from './controllers/deployment';
import { endpointsController } from './controllers/endpoints';
import { startGarbageCollector } from './controllers/garbage-collector';
import { jobController } from './controllers/job';
import { namespaceController } from './controllers/namespace';
import { replicaSetController } from './controllers/replica-set';
import { statefulSetController } from './controllers/stateful-set';
import type { Store } from './types';

const CONTROLLERS: Controller[] = [
  namespaceController,
  deploymentController,
  replicaSetController,
  statefulSetController,
  daemonSetController,
  jobController,
  cronJobController,
  endpointsController,
];

/** Starts everything that turns what is wanted into pods, addresses and clean-up. Nothing runs after `stop`. */
export function startControllers({ store }: { store: Store }): { stop(): void } {
  const stops = CONTROLLERS.map((controller) => runController(store, controller));
  stops.push(startGarbageCollector(store));
  return {
    stop() {
      for (const stop of stops) stop();
    },
  };
}
