import type { Bridge } from '../bridge/bridge';

/** Milliseconds an exit may wait for the goodbye to the agent, which lets go of the app's connections in the pod. */
const GOODBYE_MS = 250;

/**
 * Ends the session when the process or thread exits, after the app's own exit handlers: those may still read files of the
 * pod. The answer takes the handler back.
 */
export function closeOnExit(bridge: Bridge): () => void {
  const onExit = () => bridge.closeSync(GOODBYE_MS);
  let moving = false;
  const stayLast = (event: string | symbol) => {
    if (event !== 'exit' || moving) return;
    moving = true;
    process.nextTick(() => {
      process.off('exit', onExit);
      process.on('exit', onExit);
      moving = false;
    });
  };
  process.on('exit', onExit);
  process.on('newListener', stayLast);
  return () => {
    process.off('newListener', stayLast);
    process.off('exit', onExit);
  };
}
