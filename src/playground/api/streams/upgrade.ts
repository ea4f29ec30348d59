import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import { SpdyConnection } from '../../../spdy/connection';
import { authenticate } from '../authenticate';
import type { ApiContext } from '../context';
import { acceptStreamRequest, type StreamRequest } from './accept';
import { execOverChannels, execOverSpdy } from './exec';
import { type ChannelProtocol, chooseProtocol, splitOffers, TUNNEL } from './negotiate-protocol';
import { forwardOverChannels, forwardOverSpdy } from './port-forward';
import { respondRaw, respondRawError } from './raw-response';

const SPDY = 'SPDY/3.1';
const COMMAND_V4 = 'v4.channel.k8s.io';
const PORT_FORWARD = 'portforward.k8s.io';
const MAX_MESSAGE = 64 * 1024 * 1024;

/** Handles `upgrade` events of the server: exec, attach and port-forward over WebSocket or SPDY. */
export function createUpgradeHandler(context: ApiContext, token: string) {
  const subprotocols = new WeakMap<IncomingMessage, string>();
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE,
    skipUTF8Validation: true,
    handleProtocols: (_offered, request) => subprotocols.get(request) || false,
  });
  // The tunnel's name is no valid token of the WebSocket standard, so the library is not shown it and does not write it.
  sockets.on('headers', (headers, request) => {
    if (subprotocols.get(request) === TUNNEL) headers.push(`Sec-WebSocket-Protocol: ${TUNNEL}`);
  });

  return (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    (socket as Socket).setNoDelay?.(true);
    try {
      const isAnonymous = authenticate(request, token) === 'anonymous';
      const kind = request.headers.upgrade?.toLowerCase();
      if (kind === 'websocket') upgradeWebSocket(acceptStreamRequest(context, request, 'websocket', isAnonymous));
      else if (kind === SPDY.toLowerCase()) upgradeSpdy(acceptStreamRequest(context, request, 'spdy', isAnonymous));
      else respondRaw(socket, 400, 'Upgrade request required');
    } catch (error) {
      respondRawError(socket, error);
    }

    function upgradeWebSocket(accepted: StreamRequest | undefined) {
      const offers = splitOffers(request.headers['sec-websocket-protocol']);
      const isTunnel = accepted?.kind === 'forward' && offers.includes(TUNNEL);
      const protocol = isTunnel ? undefined : accepted && chooseProtocol(accepted.subresource, offers);
      if (!accepted || (!isTunnel && !protocol)) return respondRaw(socket, 403);
      if (accepted.refusal) return respondRaw(socket, accepted.refusal.code, accepted.refusal.text);
      const wantsPorts = accepted.kind === 'forward' && !isTunnel && accepted.request.ports.length === 0;
      if (wantsPorts) return respondRaw(socket, 400, 'query parameter "port" is required');
      subprotocols.set(request, isTunnel ? TUNNEL : protocol!.name);
      if (isTunnel) delete request.headers['sec-websocket-protocol'];
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        if (isTunnel) forwardOverSpdy(new SpdyConnection(createWebSocketStream(webSocket), 'server'), accepted.request);
        else serveChannels(webSocket, protocol!, accepted);
      });
    }

    function upgradeSpdy(accepted: StreamRequest | undefined) {
      if (!accepted) return respondRaw(socket, 403);
      if (accepted.refusal) return respondRaw(socket, accepted.refusal.code, accepted.refusal.text);
      const protocol = accepted.kind === 'forward' ? PORT_FORWARD : COMMAND_V4;
      const offers = splitOffers(String(request.headers['x-stream-protocol-version'] ?? ''));
      if (!offers.includes(protocol)) {
        const text = `unable to upgrade: unable to negotiate protocol: client supports [${offers}], server accepts [${protocol}]`;
        return respondRaw(socket, 403, text);
      }
      const answer = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', `Upgrade: ${SPDY}`];
      socket.write(`${[...answer, `X-Stream-Protocol-Version: ${protocol}`].join('\r\n')}\r\n\r\n`);
      if (head.length > 0) socket.unshift(head);
      const connection = new SpdyConnection(socket, 'server');
      if (accepted.kind === 'forward') forwardOverSpdy(connection, accepted.request);
      else void execOverSpdy(connection, accepted.request);
    }
  };
}

function serveChannels(socket: WebSocket, protocol: ChannelProtocol, accepted: StreamRequest): void {
  if (accepted.kind === 'forward') void forwardOverChannels(socket, protocol, accepted.request);
  else void execOverChannels(socket, protocol, accepted.request);
}
