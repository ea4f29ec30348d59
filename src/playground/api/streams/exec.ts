import type { WebSocket } from 'ws';
import type { SpdyConnection } from '../../../spdy/connection';
import type { SpdyStream } from '../../../spdy/stream';
import type { ExecProcess } from '../../types';
import { ChannelSocket } from './channel-socket';
import type { ChannelProtocol } from './negotiate-protocol';
import { runCommand } from './run-command';

/** A checked exec or attach request. */
export interface CommandRequest {
  command: string[];
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
  start(): Promise<ExecProcess>;
}

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const STATUS = 3;
const RESIZE = 4;

export async function execOverChannels(
  socket: WebSocket,
  protocol: ChannelProtocol,
  request: CommandRequest,
): Promise<void> {
  const channels = new ChannelSocket(socket, protocol);
  const open = (wanted: boolean, channel: number) => (wanted ? channels.open(channel) : undefined);
  const stdout = channels.open(STDOUT);
  // The real server opens with an empty message on this channel, asked for or not.
  channels.send(STDOUT, Buffer.alloc(0), () => {});
  await runCommand(
    request.start,
    {
      stdin: open(request.stdin, STDIN),
      stdout: request.stdout ? stdout : undefined,
      stderr: open(request.stderr && !request.tty, STDERR),
      status: channels.open(STATUS),
      resize: open(request.tty, RESIZE),
      onGone: (listener) => channels.onClose(listener),
    },
    request.command,
    protocol.status,
  );
  channels.close();
}

// The client opens its streams one after another; a real kubelet waits as long.
const STREAMS_TIMEOUT_MS = 30_000;

export async function execOverSpdy(connection: SpdyConnection, request: CommandRequest): Promise<void> {
  const streams = await collectStreams(connection, request).catch(() => undefined);
  if (!streams) {
    connection.destroy();
    return;
  }
  await runCommand(
    request.start,
    {
      stdin: streams.get('stdin'),
      stdout: streams.get('stdout'),
      stderr: streams.get('stderr'),
      status: streams.get('error')!,
      resize: streams.get('resize'),
      onGone: (listener) => (connection.isClosed ? listener() : connection.once('close', listener)),
    },
    request.command,
    'v4',
  );
  connection.close();
}

/** Waits until the client has opened a stream for each thing it asked for. */
function collectStreams(connection: SpdyConnection, request: CommandRequest): Promise<Map<string, SpdyStream>> {
  const wanted = ['error'];
  if (request.stdin) wanted.push('stdin');
  if (request.stdout) wanted.push('stdout');
  if (request.stderr && !request.tty) wanted.push('stderr');
  if (request.tty) wanted.push('resize');
  const streams = new Map<string, SpdyStream>();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error('the client did not open its streams in time')),
      STREAMS_TIMEOUT_MS,
    );
    connection.once('close', () => {
      clearTimeout(timer);
      reject(new Error('the client went away'));
    });
    connection.on('stream', (stream) => {
      streams.set(stream.headers.streamtype ?? '', stream);
      // Only stdin and resize carry something this way; the rest is read so that its end is seen.
      if (!['stdin', 'resize'].includes(stream.headers.streamtype ?? '')) stream.resume();
      if (!wanted.every((type) => streams.has(type))) return;
      clearTimeout(timer);
      resolve(streams);
    });
  });
}
