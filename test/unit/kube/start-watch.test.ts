import { describe, expect, it } from 'vitest';
import { startWatch, status } from '../../support/scripted-api';
import { RUNNING } from '../../support/scripted-cluster';
import { api, cluster, failure, PODS, start } from './starting';

describe('the watch of a start', () => {
  it('starts over when it is too old in the middle (410)', async () => {
    cluster.life = [];
    let watches = 0;
    api.on(`GET ${PODS}`, ({ query }, response) => {
      if (!query.get('watch')) return { items: cluster.pod ? [cluster.pod] : [] };
      const send = startWatch(response);
      if (++watches > 1) return undefined;
      setTimeout(() => {
        cluster.setStatus(RUNNING);
        send('ERROR', { code: 410, reason: 'Expired', message: 'too old resource version: 1 (9)' });
        response.end();
      }, 50);
      return undefined;
    });
    expect((await start()).handoff.pod).toBe('agent-pod-job-1');
    await expect.poll(() => watches).toBeGreaterThan(1);
  });

  it('survives being cut in the middle of a line', async () => {
    cluster.life = [];
    let watches = 0;
    api.on(`GET ${PODS}`, ({ query }, response) => {
      if (!query.get('watch')) return { items: [] };
      const send = startWatch(response);
      if (watches++ === 0) {
        response.write('{"type":"ADDED","obj');
        setTimeout(() => response.destroy(), 20);
      } else {
        setTimeout(() => {
          cluster.setStatus(RUNNING);
          send('ADDED', cluster.pod);
        }, 20);
      }
      return undefined;
    });
    expect((await start()).created).toBe(true);
  });

  it('is not needed: when it hangs, lists find the pod', async () => {
    cluster.life = [RUNNING];
    api.on(`GET ${PODS}`, ({ query }, response) => {
      if (!query.get('watch')) return { items: cluster.pod ? [cluster.pod] : [] };
      response.writeHead(200).flushHeaders();
      return undefined;
    });
    expect((await start()).created).toBe(true);
  }, 15_000);

  it.each([
    [429, 'TooManyRequests', { 'retry-after': '1' }, 900],
    [500, 'InternalError', {}, 0],
    [503, 'ServiceUnavailable', {}, 0],
  ])('is opened again after a %i', async (code, reason, headers, atLeast) => {
    cluster.life = [];
    const times: number[] = [];
    api.on(`GET ${PODS}`, ({ query }, response) => {
      // Lists are of no help here: the watch itself has to come back.
      if (!query.get('watch')) return { items: [] };
      times.push(performance.now());
      if (times.length === 1) return status(response, code, reason, 'not now', headers);
      const send = startWatch(response);
      setTimeout(() => {
        cluster.setStatus(RUNNING);
        send('ADDED', cluster.pod);
      }, 20);
      return undefined;
    });
    expect((await start()).created).toBe(true);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(atLeast);
  });

  it('that is forbidden ends the start with the Role that is missing, and no Job stays', async () => {
    api.on(`GET ${PODS}`, (_, response) =>
      status(
        response,
        403,
        'Forbidden',
        'pods is forbidden: User "dev" cannot watch resource "pods" in API group "" in the namespace "default"',
      ),
    );
    const error = await failure();
    expect(error).toMatchObject({ code: 'FORBIDDEN', details: { verb: 'watch', resource: 'pods' } });
    expect(error.hint).toMatch(/kind: Role\n[\s\S]*name: "dev"/);
    expect(cluster.job).toBeUndefined();
  });
});
