import type { Readable, Writable } from 'node:stream';
import type { ExecProcess } from '../../types';
import { formatOutcome, type Outcome, type StatusFormat } from './command-status';

/** The ends of an exec or attach as the client sees them, whatever they travel over. */
export interface CommandStreams {
  stdin?: Readable;
  stdout?: Writable;
  stderr?: Writable;
  status: Writable;
  resize?: Readable;
  /** Called when the client has gone. */
  onGone(listener: () => void): void;
}

// A command may leave a child behind that keeps its output open for ever; after its exit, silence this long is the end.
const IDLE_AFTER_EXIT_MS = 1000;

/** Runs a command and joins its streams with the client's, until it has ended and everything is delivered. */
export async function runCommand(
  start: () => Promise<ExecProcess>,
  streams: CommandStreams,
  command: string[],
  format: StatusFormat,
): Promise<void> {
  let isGone = false;
  let running: ExecProcess | undefined;
  streams.onGone(() => {
    isGone = true;
    running?.kill();
  });
  let outcome: Outcome;
  try {
    running = await start();
    if (isGone) running.kill();
    outcome = { exitCode: await join(running, streams), command };
  } catch (error) {
    outcome = { error };
  }
  if (isGone) return;
  const status = formatOutcome(outcome, format);
  await Promise.all([finish(streams.stdout), finish(streams.stderr), finish(streams.status, status)]);
}

async function join(running: ExecProcess, streams: CommandStreams): Promise<number> {
  connectInput(running, streams);
  readSizes(running, streams.resize);
  const outputs = [
    new Output(running.stdout, streams.stdout),
    ...(running.stderr ? [new Output(running.stderr, streams.stderr)] : []),
  ];
  const code = await running.exit;
  await Promise.all(outputs.map((output) => output.finish()));
  return code;
}

function connectInput({ stdin }: ExecProcess, streams: CommandStreams): void {
  if (!stdin) {
    streams.stdin?.resume();
    return;
  }
  // A command that ends without reading its input is no error.
  stdin.on('error', () => streams.stdin?.resume());
  if (streams.stdin) streams.stdin.pipe(stdin);
  else stdin.end();
}

/** Sizes come as JSON documents, one a line as a rule, and may be cut anywhere. */
function readSizes(running: ExecProcess, resize: Readable | undefined): void {
  let text = '';
  resize?.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
    for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}')) {
      const document = text.slice(0, end + 1);
      text = text.slice(end + 1);
      try {
        const { Width: width, Height: height } = JSON.parse(document);
        if (width > 0 && height > 0) running.resize(width, height);
      } catch {
        // A size that cannot be read is not worth ending a session for.
      }
    }
    if (text.length > 1024) text = '';
  });
}

/** Copies one output, and knows when it has ended or will not. */
class Output {
  readonly #from: Readable;
  #isOver = false;
  #lastChunk = Date.now();
  #waiting = false;
  readonly #over: Promise<void>;

  constructor(from: Readable, to: Writable | undefined) {
    this.#from = from;
    this.#over = new Promise((resolve) => {
      const settle = () => {
        this.#isOver = true;
        resolve();
      };
      from.once('end', settle).once('error', settle).once('close', settle);
    });
    from.on('data', (chunk: Buffer) => {
      this.#lastChunk = Date.now();
      if (!to || to.destroyed || to.write(chunk)) return;
      this.#waiting = true;
      from.pause();
      to.once('drain', () => {
        this.#waiting = false;
        this.#lastChunk = Date.now();
        from.resume();
      });
    });
    to?.once('close', () => from.resume());
  }

  async finish(): Promise<void> {
    this.#lastChunk = Date.now();
    const timer = setInterval(() => {
      if (!this.#waiting && Date.now() - this.#lastChunk >= IDLE_AFTER_EXIT_MS) this.#from.destroy();
    }, IDLE_AFTER_EXIT_MS / 4);
    if (!this.#isOver) await this.#over;
    clearInterval(timer);
  }
}

function finish(writable: Writable | undefined, last?: Buffer): Promise<void> {
  if (!writable || writable.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    writable.once('close', () => resolve()).once('error', () => resolve());
    writable.end(last?.length ? last : undefined, () => resolve());
  });
}
