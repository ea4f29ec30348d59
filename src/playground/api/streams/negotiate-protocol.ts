/** How the channels of one WebSocket subprotocol are written. */
export interface ChannelProtocol {
  /** As it goes into the answer; '' when the client offered none. */
  name: string;
  isBase64: boolean;
  /** Whether `[255, channel]` ends a channel. */
  hasClose: boolean;
  /** How the outcome of a command is told: as JSON, or in plain words as in the first version. */
  status: 'v5' | 'v4' | 'v1';
}

const channel = (name: string, options: Partial<ChannelProtocol> = {}): ChannelProtocol => ({
  name,
  isBase64: false,
  hasClose: false,
  status: 'v1',
  ...options,
});

const COMMAND = [
  channel('v5.channel.k8s.io', { status: 'v5', hasClose: true }),
  channel('v4.channel.k8s.io', { status: 'v4' }),
  channel('v4.base64.channel.k8s.io', { status: 'v4', isBase64: true }),
  channel('channel.k8s.io'),
  channel('base64.channel.k8s.io', { isBase64: true }),
  channel(''),
];

const PORT_FORWARD = [
  channel('v4.channel.k8s.io'),
  channel('v4.base64.channel.k8s.io', { isBase64: true }),
  channel(''),
];

/** The subprotocol in which SPDY frames travel as binary messages. */
export const TUNNEL = 'SPDY/3.1+portforward.k8s.io';

/** The first offer that is understood; undefined when none is. No offer at all means the oldest form. */
export function chooseProtocol(subresource: string, offered: string[]): ChannelProtocol | undefined {
  const known = subresource === 'portforward' ? PORT_FORWARD : COMMAND;
  const offers = offered.length > 0 ? offered : [''];
  return offers.map((offer) => known.find(({ name }) => name === offer)).find(Boolean);
}

export function splitOffers(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map((offer) => offer.trim())
    .filter(Boolean);
}
