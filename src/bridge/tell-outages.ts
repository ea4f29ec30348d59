import type { Progress } from '../kube/types';
import type { TunnelOptions } from '../tunnel/tunnel';

/** Milliseconds an outage lasts before it is worth a line: most are over within a round trip. */
const WORTH_TELLING = 1_000;

/** Says in one line that the link is lost, and in another that it is back. What becomes of a link that ends is told elsewhere. */
export function tellOutages(tell: Progress, worthMs = WORTH_TELLING): NonNullable<TunnelOptions['onState']> {
  let timer: NodeJS.Timeout | undefined;
  let lostAt = 0;
  let isTold = false;
  return (state, detail) => {
    clearTimeout(timer);
    if (state === 'lost') {
      lostAt = performance.now();
      const why = detail ? ` (${detail.message.split('\n')[0]})` : '';
      timer = setTimeout(() => {
        isTold = true;
        tell({
          type: 'warn',
          step: 'link',
          text: `the link to the agent is lost${why}; new connections and calls wait for it`,
        });
      }, worthMs).unref();
      return;
    }
    if (state === 'resumed' && isTold) {
      const seconds = ((performance.now() - lostAt) / 1_000).toFixed(1);
      tell({ type: 'done', step: 'link', text: `the link to the agent is back after ${seconds} s` });
    }
    isTold = false;
  };
}
