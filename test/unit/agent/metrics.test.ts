import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dialSocket } from '../../../src/tunnel/transports/socket';
import { connectTunnel } from '../../../src/tunnel/tunnel';
import { eventually } from '../../support/eventually';
import { type Agent, type PodNode, startPodNode, TOKEN, whyNot } from './pod-node';

const reason = whyNot();
if (reason) console.warn(`skipped: the metrics of an agent (${reason})`);

describe.skipIf(reason)('the metrics of an agent', () => {
  let node: PodNode;
  beforeAll(async () => {
    node = await startPodNode();
  });
  afterAll(() => node?.close());

  const start = (address: string) =>
    node.startAgent(['--port', '0', 'targeted', '--container-id', node.containerId], {
      MIRRORD_AGENT_METRICS: address,
    });
  const metricsUrl = async (agent: Agent) => {
    const port = await eventually(
      'the agent to say where its metrics are',
      async () => /metrics on 127\.0\.0\.1 port (\d+)/.exec(agent.stderr())?.[1],
    );
    return `http://127.0.0.1:${port}/metrics`;
  };

  it('are those of the process in the pod, told in the agent’s own network, and follow what happens', async () => {
    const agent = start('127.0.0.1:0');
    const link = await connectTunnel({
      dial: dialSocket({ port: await agent.ready() }),
      token: TOKEN,
      clientName: 'metrics',
    });
    const url = await metricsUrl(agent);
    const counts = async () => {
      const answer = await fetch(url);
      expect(answer.headers.get('content-type')).toContain('text/plain');
      const lines = (await answer.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      return Object.fromEntries(lines.map((line) => line.replace('mirrord_agent_', '').split(' ')));
    };
    const none = {
      client_count: '1',
      mirror_port_subscription_count: '0',
      steal_unfiltered_port_subscription_count: '0',
      steal_filtered_port_subscription_count: '0',
      redirected_connections_count: '0',
      tcp_outgoing_connection_count: '0',
    };
    expect(await counts()).toEqual(none);
    const common = { onConcurrentSteal: 'abort', keepProbes: true, owner: 'test' } as const;
    await link.call('incoming.subscribe', { ...common, port: 7001, mode: 'steal' });
    await link.call('incoming.subscribe', { ...common, port: 7002, mode: 'steal', filter: { path: '/x' } });
    await link.call('incoming.subscribe', { ...common, port: 7003, mode: 'mirror' });
    expect(await counts()).toEqual({
      ...none,
      mirror_port_subscription_count: '1',
      steal_unfiltered_port_subscription_count: '1',
      steal_filtered_port_subscription_count: '1',
    });
    expect((await fetch(url.replace('metrics', 'else'))).status).toBe(404);
    await link.close();
    await eventually('the session to be gone', async () => (await counts()).client_count === '0');
    expect((await counts()).steal_unfiltered_port_subscription_count).toBe('0');
  });

  it('are told without a target as well', async () => {
    const agent = node.startAgent(['--port', '0', 'targetless'], { MIRRORD_AGENT_METRICS: '127.0.0.1:0' });
    await agent.ready();
    expect(await (await fetch(await metricsUrl(agent))).text()).toContain('\nmirrord_agent_client_count 0\n');
  });

  it('that have no place to be told do without, and the agent serves', async () => {
    const agent = start('192.0.2.1:9000');
    const link = await connectTunnel({ dial: dialSocket({ port: await agent.ready() }), token: TOKEN, clientName: '' });
    expect((await link.call('info', {})).result.targeted).toBe(true);
    expect(agent.stderr()).toContain('no metrics: cannot listen on 192.0.2.1 port 9000: EADDRNOTAVAIL');
    await link.close();
  });
});
