let ours = false;

/** Nobody else reads from the terminal: a plug-in that asks for a password may have it. */
export function takeTerminal(): void {
  ours = true;
}

/** The app runs, and what is typed is meant for it. */
export function leaveTerminal(): void {
  ours = false;
}

/** Why a plug-in cannot ask anything; undefined when it can. `process.stdin` would not tell: in a worker it is no terminal. */
export function whyNotAsk(): string | undefined {
  if (!process.getBuiltinModule('node:tty').isatty(0)) return 'standard input is none';
  return ours ? undefined : 'it belongs to the app that runs';
}
