import yoctoSpinner from 'yocto-spinner';
import type { Progress, ProgressEvent } from '../kube/types';

export type ProgressMode = 'tty' | 'plain' | 'json' | 'off';

/** A mode that was asked for wins; else a spinner on a terminal and plain lines everywhere else, as in CI. */
export function chooseProgressMode(env: NodeJS.ProcessEnv, stream: { isTTY?: boolean }): ProgressMode {
  const asked = env.MIRRORD_PROGRESS ?? env.MIRRORD_PROGRESS_MODE;
  if (asked === 'off' || asked === 'json' || asked === 'plain' || asked === 'tty') return asked;
  return stream.isTTY && !env.CI ? 'tty' : 'plain';
}

/** Shows progress on stderr; stdout belongs to the app. */
export function createProgress(mode: ProgressMode, stream: NodeJS.WriteStream = process.stderr): Progress {
  if (mode === 'off') return () => {};
  if (mode === 'json') return (event) => void stream.write(`${JSON.stringify(event)}\n`);
  if (mode === 'plain') return (event) => void stream.write(plainLine(event));
  return spinnerProgress(stream);
}

function plainLine(event: ProgressEvent): string {
  return event.type === 'start' ? '' : `mirrord: ${event.type === 'warn' ? 'warning: ' : ''}${event.text}\n`;
}

function spinnerProgress(stream: NodeJS.WriteStream): Progress {
  let spinner: ReturnType<typeof yoctoSpinner> | undefined;
  return ({ type, text }) => {
    if (type === 'start') {
      if (spinner) spinner.text = text;
      else spinner = yoctoSpinner({ text, stream }).start();
      return;
    }
    const running = spinner ?? yoctoSpinner({ stream });
    spinner = undefined;
    if (type === 'done') running.success(text);
    else if (type === 'fail') running.error(text);
    else if (type === 'warn') running.warning(text);
    else running.info(text);
  };
}
