import { defaultFeature } from '../../../src/config/defaults';
import type { FeatureConfig } from '../../../src/config/types';

/** The defaults, with what a test changes by TEST_ENV (JSON of `feature.env`) and TEST_INCOMING. */
export function featureOf(env: NodeJS.ProcessEnv): FeatureConfig {
  const given = env.TEST_ENV ? JSON.parse(env.TEST_ENV) : {};
  return {
    env: {
      enabled: true,
      include: [],
      exclude: [],
      override: {},
      unset: [],
      mapping: {},
      envFile: undefined,
      ...given,
    },
    fs: { mode: 'read', readOnly: [], readWrite: [], local: [], notFound: [], mapping: {} },
    network: {
      outgoing: { tcp: true, udp: true, ignoreLocalhost: false, filter: undefined },
      dns: { enabled: true, filter: undefined },
      incoming: { ...defaultFeature().network.incoming, mode: 'off', ...JSON.parse(env.TEST_INCOMING ?? '{}') },
    },
    hostname: true,
  };
}
