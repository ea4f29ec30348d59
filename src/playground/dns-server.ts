import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import packet from 'dns-packet';
import { DNS_ADDRESS } from './addresses';
import { resolveRecord } from './dns-records';
import type { Store } from './types';

/** What fits a datagram when the question does not say more. */
const PLAIN_LIMIT = 512;

/** The response's bytes, or undefined for what is no question. Never throws. */
export function answerQuestion(store: Store, message: Buffer, limit: number): Buffer | undefined {
  let query: packet.DecodedPacket;
  try {
    query = packet.decode(message);
  } catch {
    return undefined;
  }
  const [question] = query.questions ?? [];
  if (query.type !== 'query' || !question) return undefined;
  const { code, answers } = resolveRecord(store, question.name, question.type);
  const edns = query.additionals?.find((one) => one.type === 'OPT') as packet.OptAnswer | undefined;
  const base = { type: 'response' as const, id: query.id, questions: [question] };
  // dns-packet takes the response code from the low bits of the flags.
  const flags =
    packet.AUTHORITATIVE_ANSWER |
    (query.flag_rd ? packet.RECURSION_DESIRED : 0) |
    packet.RECURSION_AVAILABLE |
    (code === 'NXDOMAIN' ? 3 : 0);
  const additionals = edns
    ? [{ type: 'OPT' as const, name: '.', udpPayloadSize: 1232, flags: 0, options: [] } as never]
    : [];
  const response = packet.encode({ ...base, flags, answers, additionals });
  const room = Math.min(limit, edns ? Math.max(PLAIN_LIMIT, edns.udpPayloadSize) : Math.max(PLAIN_LIMIT, 0));
  if (limit === Number.POSITIVE_INFINITY || response.length <= room) return response;
  return packet.encode({ ...base, flags: flags | packet.TRUNCATED_RESPONSE, answers: [], additionals });
}

/** The cluster's DNS, over UDP and TCP. Resolves when both listen. */
export async function startDnsServer(store: Store): Promise<void> {
  const udp = createSocket('udp4');
  udp.on('message', (message, peer) => {
    const response = answerQuestion(store, message, 1232);
    if (response) udp.send(response, peer.port, peer.address);
  });
  udp.on('error', (error) => console.error('playground: dns:', error.message));
  const tcp = createServer((socket) => {
    let received = Buffer.alloc(0);
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const response = answerQuestion(store, received.subarray(2, end), Number.POSITIVE_INFINITY);
        received = received.subarray(end);
        if (!response) return void socket.destroy();
        const length = Buffer.alloc(2);
        length.writeUInt16BE(response.length);
        socket.write(Buffer.concat([length, response]));
      }
    });
  });
  await Promise.all([
    new Promise<void>((resolve) => udp.bind(53, DNS_ADDRESS, resolve)),
    new Promise<void>((resolve, reject) => tcp.on('error', reject).listen(53, DNS_ADDRESS, resolve)),
  ]);
}
