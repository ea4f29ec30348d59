import type { Duplex, Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import type { SpdyConnection } from '../../../spdy/connection';
import type { SpdyStream } from '../../../spdy/stream';
import type { KubeObject } from '../../types';
import { ChannelSocket } from './channel-socket';
import { describeDialError } from './dial-error';
import type { ChannelProtocol } from './negotiate-protocol';

export interface ForwardRequest {
  pod: KubeObject;
  /** Only the channel form names its ports up front. */
  ports: number[];
  dial(port: number): Promise<Duplex>;
}

/**
 * The channel form: port i has channel 2i for data and 2i + 1 for errors, and each begins with the port as two bytes,
 * little-endian. No direction can end alone: the socket closes when the pod's side of every port has ended.
 */
export async function forwardOverChannels(
  socket: WebSocket,
  protocol: ChannelProtocol,
  request: ForwardRequest,
): Promise<void> {
  const channels = new ChannelSocket(socket, protocol);
  const pairs = request.ports.map((port, index) => {
    const data = channels.open(2 * index);
    const errors = channels.open(2 * index + 1);
    const announcement = Buffer.alloc(2);
    announcement.writeUInt16LE(port);
    data.write(announcement);
    errors.write(announcement);
    return { port, data, errors };
  });
  const forwards = pairs.map(({ port, data, errors }) =>
    forward(request, port, data, errors, (listener) => channels.onClose(listener)),
  );
  await Promise.all(forwards);
  channels.close();
}

/** The SPDY form: for each connection of the client an error stream, then a data stream with the same request id. */
export function forwardOverSpdy(connection: SpdyConnection, request: ForwardRequest): void {
  const errorStreams = new Map<string, SpdyStream>();
  connection.on('stream', (stream) => {
    const { streamtype, port: text = '', requestid = '' } = stream.headers;
    if (streamtype === 'error') {
      stream.resume();
      errorStreams.set(requestid, stream);
      stream.once('close', () => errorStreams.delete(requestid));
      return;
    }
    const errors = errorStreams.get(requestid);
    const port = Number(text);
    if (streamtype !== 'data' || !errors || !Number.isInteger(port) || port < 1 || port > 65_535) {
      stream.destroy();
      return;
    }
    forward(request, port, stream, errors, (listener) => stream.once('close', listener)).then(() => errors.end());
  });
}

/** Joins one connection into the pod with the client's pair of streams. Resolves when the pod's side has ended. */
async function forward(
  { pod, dial }: ForwardRequest,
  port: number,
  data: Duplex,
  errors: Writable,
  onGone: (listener: () => void) => void,
): Promise<void> {
  let isGone = false;
  onGone(() => {
    isGone = true;
  });
  let target: Duplex;
  try {
    target = await dial(port);
  } catch (error) {
    if (!errors.destroyed) errors.write(describeDialError(pod, port, error));
    data.end();
    data.resume();
    return;
  }
  if (isGone) {
    target.destroy();
    return;
  }
  await new Promise<void>((resolve) => {
    let hasEnded = false;
    target.once('end', () => {
      hasEnded = true;
    });
    target.once('error', () => target.destroy());
    // A reset in the pod must not look like an orderly end.
    target.once('close', () => {
      if (!hasEnded) data.destroy();
      resolve();
    });
    data.once('finish', resolve);
    onGone(() => closeTarget(target));
    target.pipe(data);
    data.pipe(target);
  });
}

/** What the client sent last still goes out; after that nobody is left to read an answer. */
function closeTarget(target: Duplex): void {
  if (target.destroyed) return;
  if (target.writableFinished) target.destroy();
  else target.end(() => target.destroy());
}
