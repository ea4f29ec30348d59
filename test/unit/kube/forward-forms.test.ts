import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { dial, forwards, only, open } from './forward-world';

describe.each(['spdy-websocket', 'spdy'] as const)('%s', (form) => {
  it('carries bytes both ways unchanged and in order', async () => {
    const transport = await dial(await only(form));
    const sent = Buffer.concat([1, 65_536, 300_000, 2_000_000].map((size, index) => Buffer.alloc(size, index + 1)));
    transport.write(sent.subarray(0, 100_000));
    transport.end(sent.subarray(100_000));
    const received: Buffer[] = [];
    for await (const chunk of transport) received.push(chunk);
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    expect(forwards.asked).toEqual([`${form} ${form === 'spdy' ? 'POST' : 'GET'}`]);
  });

  it('ends one direction and leaves the other open', async () => {
    forwards.pod = (data) => {
      data.resume().once('end', () => data.end('after your end'));
    };
    const transport = await dial(await only(form));
    transport.end('all');
    expect(String((await once(transport, 'data'))[0])).toBe('after your end');
  });

  it('stops taking from the app when the pod does not read', async () => {
    forwards.pod = () => {};
    const transport = await dial(await only(form));
    let written = 0;
    const chunk = Buffer.alloc(1024 * 1024);
    const write = () => {
      while (written < 256 && transport.write(chunk, () => {})) written += 1;
    };
    transport.on('drain', () => {
      written += 1;
      write();
    });
    write();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(written).toBeLessThan(200);
  });

  it('says in its words that nothing listens on the port', async () => {
    forwards.pod = (data, errors) => {
      errors.end('connection refused in the pod');
      data.end();
    };
    const transport = await dial(await only(form));
    const [error] = await once(transport, 'error');
    expect(error).toMatchObject({ code: 'PORT_FORWARD_REFUSED' });
    expect(error.message).toContain('connection refused in the pod');
  });

  it('that is cut gives what came before, then PORT_FORWARD_LOST', async () => {
    forwards.pod = (data) => {
      data.write('before');
      data.once('data', () => data.destroy());
    };
    const transport = await dial(await only(form));
    const failed = once(transport, 'error');
    transport.write('x');
    const received: string[] = [];
    transport.on('data', (chunk) => received.push(String(chunk)));
    expect((await failed)[0]).toMatchObject({ code: 'PORT_FORWARD_LOST' });
    expect(received.join('')).toBe('before');
  });
});

describe('the choice', () => {
  it('begins with what is fastest, and stays with what worked', async () => {
    forwards.answers = { websocket: { status: 403 }, 'spdy-websocket': { status: 400 } };
    const cluster = await open();
    const told: string[] = [];
    cluster.tell = (text) => told.push(text);
    await dial(cluster);
    await dial(cluster);
    expect(forwards.asked).toEqual(['websocket GET', 'spdy-websocket GET', 'spdy POST', 'spdy POST']);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/by spdy.*websocket: .*403.*spdy-websocket: .*400/);
  });

  it('goes on when something on the way resets an upgrade', async () => {
    forwards.answers = { websocket: 'reset' };
    await dial(await open());
    expect(forwards.asked.at(-1)).toBe('spdy-websocket GET');
  });

  it('goes on where one verb is granted and the other is not, and tells the first refusal when none is', async () => {
    const body = JSON.stringify({
      kind: 'Status',
      reason: 'Forbidden',
      message: 'pods "agent" is forbidden: User "u" cannot get resource "pods/portforward"',
    });
    forwards.answers = { websocket: { status: 403, body }, 'spdy-websocket': { status: 403, body } };
    await dial(await open());
    expect(forwards.asked.at(-1)).toBe('spdy POST');
    forwards.answers.spdy = { status: 403, body: body.replace('cannot get', 'cannot create') };
    await expect(dial(await open())).rejects.toMatchObject({ code: 'FORBIDDEN', details: { verb: 'get' } });
  });

  it('names every form when none is accepted', async () => {
    forwards.answers = { websocket: { status: 400 }, 'spdy-websocket': { status: 426 }, spdy: { status: 501 } };
    const error = await dial(await open()).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'PORT_FORWARD_FAILED', details: { status: 400 } });
    expect(error.message).toMatch(/websocket: .*400[\s\S]*spdy-websocket: .*426[\s\S]*spdy: .*501/);
  });

  it.each([
    [
      'a pod that is gone',
      { status: 404, body: '{"reason":"NotFound","message":"pods agent not found"}' },
      'AGENT_GONE',
    ],
    ['a pod that does not run', { status: 500, body: 'container not found' }, 'PORT_FORWARD_FAILED'],
    ['credentials', { status: 401, body: '{"reason":"Unauthorized","message":"no"}' }, 'CLUSTER_UNAUTHORIZED'],
  ])('is not the question with %s', async (_, answer, code) => {
    forwards.answers = { websocket: answer };
    await expect(dial(await open())).rejects.toMatchObject({ code });
    expect(forwards.asked).toHaveLength(1);
  });

  it('can be made by the user, who is told of a word that is none', async () => {
    await dial(await only('spdy'));
    expect(forwards.asked).toEqual(['spdy POST']);
    await expect(open({ MIRRORD_PORT_FORWARD: 'carrier-pigeon' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID_VALUE',
    });
  });
});
