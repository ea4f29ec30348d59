import { describe, expect, it } from 'vitest';
import { defaultFeature } from '../../../src/config/defaults';
import type { IncomingConfig } from '../../../src/config/types';
import { WireFailure } from '../../../src/protocol/session-types';
import { createIncomingPolicy } from '../../../src/runtime/incoming';

/** A policy whose agent answers as told, with what it was asked and what the user read. */
function policy(
  given: Partial<IncomingConfig>,
  { declaredPorts = [8080], refuse }: { declaredPorts?: number[]; refuse?: WireFailure } = {},
) {
  const asked: Record<string, unknown>[] = [];
  const told: string[] = [];
  const ends: number[] = [];
  const access = createIncomingPolicy({
    incoming: { ...defaultFeature().network.incoming, mode: 'steal', ...given },
    declaredPorts,
    isListed: () => false,
    isInspector: (port) => port === 9229,
    folder: undefined,
    bridge: {
      listenSync({ subscription, named }) {
        asked.push({ ...subscription, named });
        if (refuse) throw refuse;
        return { subscription: 1 };
      },
      unlisten: () => {},
    },
    tell: (text) => told.push(text),
    exit: (code) => ends.push(code),
  });
  const listen = (port: number) => access.opened({ asked: port, address: '::', port });
  return { listen, asked, told, ends };
}

describe('a port of the pod', () => {
  it('that the configuration names has to be there, unless a container declares it', () => {
    const mapped = policy({ portMapping: [[3000, 8099]] });
    mapped.listen(3000);
    mapped.listen(8099);
    expect(mapped.asked).toMatchObject([{ port: 8099, mustListen: true }, { port: 8099 }]);
    expect(mapped.asked[1]).not.toHaveProperty('mustListen');
    const listed = policy({ ports: [8080, 8098] });
    for (const port of [8080, 8098, 8097]) listed.listen(port);
    expect(listed.asked.map(({ port, mustListen }) => [port, mustListen])).toEqual([
      [8080, undefined],
      [8098, true],
    ]);
  });

  it.each([
    [
      { portMapping: [[3000, 8099]] as [number, number][] },
      3000,
      'feature.network.incoming.port_mapping has [3000, 8099]',
    ],
    [{ ports: [8099] }, 8099, 'feature.network.incoming.ports has 8099'],
  ])('that is not there is refused, with the key and value that were told to the worker', (given, port, key) => {
    const message = `${key}, but nothing in the pod listens on port 8099`;
    const refused = policy(given, { refuse: new WireFailure({ code: 'PORT_UNKNOWN', message }) });
    expect(refused.listen(port)).toBeTypeOf('function');
    expect(refused.told).toEqual([
      expect.stringContaining(`PORT_UNKNOWN: port 8099 of the pod is not stolen: ${message}`),
    ]);
    expect(refused.asked).toMatchObject([{ port: 8099, named: key }]);
    expect(refused.ends).toEqual([]);
    const strict = policy(
      { ...given, onFailure: 'exit' },
      { refuse: new WireFailure({ code: 'PORT_UNKNOWN', message }) },
    );
    strict.listen(port);
    expect(strict.ends).toEqual([1]);
  });

  it('is not asked for by the inspector', () => {
    const { listen, asked } = policy({});
    expect(listen(9229)).toBeUndefined();
    expect(asked).toEqual([]);
  });
});
