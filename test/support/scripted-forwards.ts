import type { Socket } from 'node:net';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { SpdyConnection } from '../../src/spdy/connection';
import type { SpdyStream } from '../../src/spdy/stream';
import type { ScriptedApi } from './scripted-api';

const TUNNEL = 'SPDY/3.1+portforward.k8s.io';
export type Form = 'websocket' | 'spdy-websocket' | 'spdy';
export type Answer = 'refuse' | 'reset' | 'ignore' | { status: number; body?: string } | 'accept';

/** Port-forwards to a scripted API in all three forms. */
export interface ScriptedForwards {
  /** What the server makes of a form; by default it accepts. */
  answers: Partial<Record<Form, Answer>>;
  /** In what order it was asked: `spdy POST`. */
  asked: string[];
  /** The pod's side of a port-forward by SPDY. */
  pod: (data: SpdyStream, errors: SpdyStream) => void;
}

export function scriptForwards(api: ScriptedApi): ScriptedForwards {
  const forwards: ScriptedForwards = { answers: {}, asked: [], pod: (data) => data.pipe(data) };
  const upgrader = new WebSocketServer({ noServer: true, handleProtocols: () => false, perMessageDeflate: false });
  upgrader.on('headers', (headers, request) => {
    if (request.headers['x-tunnel']) headers.push(`Sec-WebSocket-Protocol: ${TUNNEL}`);
  });
  const serve = (connection: SpdyConnection) => {
    let errors: SpdyStream | undefined;
    connection.on('stream', (stream) => {
      // Whoever forwards to another port than that is wrong, and gets nothing.
      if (stream.headers.port !== '30000') return connection.destroy();
      if (stream.headers.streamtype === 'error') errors = stream.resume() as SpdyStream;
      else forwards.pod(stream, errors!);
    });
  };
  api.onUpgrade = (request, socket, head) => {
    const offered = request.headers['sec-websocket-protocol'];
    const form: Form =
      request.headers.upgrade !== 'websocket' ? 'spdy' : offered === TUNNEL ? 'spdy-websocket' : 'websocket';
    forwards.asked.push(`${form} ${request.method}`);
    const answer = forwards.answers[form] ?? 'accept';
    if (answer === 'ignore') return true;
    if (answer === 'reset') return Boolean(socket.destroy());
    if (answer !== 'accept') return refuse(socket, answer === 'refuse' ? { status: 400 } : answer);
    if (form === 'websocket') return false;
    if (form === 'spdy') {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n',
      );
      serve(new SpdyConnection(socket, 'server'));
      return true;
    }
    request.headers['x-tunnel'] = '1';
    delete request.headers['sec-websocket-protocol'];
    upgrader.handleUpgrade(request, socket, head, (webSocket) =>
      serve(new SpdyConnection(createWebSocketStream(webSocket), 'server')),
    );
    return true;
  };
  return forwards;
}

function refuse(socket: Socket, { status, body = '' }: { status: number; body?: string }): true {
  socket.end(
    `HTTP/1.1 ${status} No\r\nContent-Length: ${body.length}\r\nContent-Type: application/json\r\n\r\n${body}`,
  );
  return true;
}
