/** A small DNS server over UDP for the compliance suite: the records of one zone, NXDOMAIN and NODATA for the rest. */
import dgram from 'node:dgram';
import packet, { type Answer, type RecordType } from 'dns-packet';

const ttl = 60;
const zone: Answer[] = [
  { name: 'web.zone', type: 'A', ttl, data: '192.0.2.10' },
  { name: 'web.zone', type: 'A', ttl, data: '192.0.2.11' },
  { name: 'web.zone', type: 'AAAA', ttl, data: '2001:db8::10' },
  { name: 'web.zone', type: 'TXT', ttl, data: ['one', 'two'] },
  { name: 'web.zone', type: 'MX', ttl, data: { preference: 10, exchange: 'mail.zone' } },
  { name: 'web.zone', type: 'CAA', ttl, data: { flags: 0, tag: 'issue', value: 'ca.zone' } as any },
  { name: '_sip._tcp.zone', type: 'SRV', ttl, data: { priority: 1, weight: 2, port: 5060, target: 'web.zone' } },
  { name: 'alias.zone', type: 'CNAME', ttl, data: 'web.zone' },
  { name: 'zone', type: 'NS', ttl, data: 'ns.zone' },
  {
    name: 'zone',
    type: 'SOA',
    ttl,
    data: { mname: 'ns.zone', rname: 'root.zone', serial: 7, refresh: 1, retry: 2, expire: 3, minimum: 4 },
  },
  {
    name: 'naptr.zone',
    type: 'NAPTR',
    ttl,
    data: { order: 1, preference: 2, flags: 's', services: 'SIP+D2U', regexp: '', replacement: 'web.zone' },
  } as any,
  { name: '10.2.0.192.in-addr.arpa', type: 'PTR', ttl, data: 'web.zone' },
];

export interface DnsServer {
  port: number;
  close(): void;
}

export async function startDnsServer(): Promise<DnsServer> {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (message, from) => {
    const query = packet.decode(message);
    const question = query.questions![0]!;
    const name = question.name.toLowerCase();
    if (name === 'silent.zone') return;
    const named = zone.filter((record) => record.name === name);
    const answers = named.filter((record) => question.type === ('ANY' as RecordType) || record.type === question.type);
    const reply = packet.encode({
      type: 'response',
      id: query.id,
      flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | (named.length === 0 ? 3 : 0),
      questions: query.questions,
      answers,
    });
    socket.send(reply, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { port: socket.address().port, close: () => socket.close() };
}
