// A TCP proxy in front of the API server, with weather: it delays, throttles, holds back, cuts and refuses.
import { connect, createServer } from 'node:net';

/** Bytes under way in one direction; a real path holds a few megabytes too. */
const MAX_HELD = 16 << 20;

/**
 * @param {{host: string, port: number}} target
 * @param {{delayMs?: number}} options one way, in milliseconds
 */
export async function startProxy(target, { delayMs = 0 } = {}) {
  /** `hole`: connections are accepted and carry nothing. `refuse`: they are closed at once. */
  const weather = { delayMs, bytesPerSecond: Infinity, hole: false, refuse: false };
  const pairs = new Set();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on('error', () => {});
    if (weather.refuse) return void client.resetAndDestroy();
    const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true });
    const pair = { client, upstream, cutAfter: undefined };
    pair.end = () => {
      pairs.delete(pair);
      for (const socket of [client, upstream]) if (!socket.destroyed) socket.resetAndDestroy();
    };
    pair.lanes = [lane(client, upstream, pair, weather), lane(upstream, client, pair, weather)];
    pairs.add(pair);
    for (const socket of [client, upstream]) {
      socket.on('error', pair.end);
      // Both directions are over: nothing is left that could be held back.
      socket.on('close', () => pair.lanes.every((one) => one.isDone()) && pair.end());
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    weather,
    get connections() {
      return pairs.size;
    },
    /** Cuts every connection: now, or in the middle of whatever it carries after that many bytes. */
    cut(afterBytes = 0) {
      const count = pairs.size;
      for (const pair of [...pairs]) {
        if (afterBytes > 0) pair.cutAfter = afterBytes;
        else pair.end();
      }
      return count;
    },
    /** The weather has changed: what is held back is looked at again. */
    wake() {
      for (const { lanes } of pairs) for (const one of lanes) one.wake();
    },
    close() {
      server.close();
      for (const pair of [...pairs]) pair.end();
    },
  };
}

function lane(from, to, pair, weather) {
  const queue = [];
  let held = 0;
  let timer;
  let freeAt = 0;
  let isDone = false;
  let isFull = false;

  const pump = () => {
    clearTimeout(timer);
    timer = undefined;
    // The drain goes on with it; a second listener each time the weather changes would pile up.
    if (isFull) return;
    while (queue.length > 0 && !weather.hole) {
      const { at, chunk } = queue[0];
      const now = performance.now();
      const due = Math.max(at, freeAt);
      if (due > now) {
        timer = setTimeout(pump, due - now);
        return;
      }
      queue.shift();
      if (!chunk) {
        isDone = true;
        return void to.end();
      }
      held -= chunk.length;
      if (weather.bytesPerSecond !== Infinity)
        freeAt = Math.max(now, freeAt) + (chunk.length / weather.bytesPerSecond) * 1000;
      if (pair.cutAfter !== undefined) pair.cutAfter -= chunk.length;
      if (pair.cutAfter <= 0) {
        to.write(chunk.subarray(0, Math.max(0, chunk.length + pair.cutAfter)), pair.end);
        return;
      }
      if (!to.write(chunk)) {
        from.pause();
        isFull = true;
        return void to.once('drain', () => {
          isFull = false;
          from.resume();
          pump();
        });
      }
    }
    if (held < MAX_HELD / 2 && from.isPaused()) from.resume();
  };
  from.on('data', (chunk) => {
    queue.push({ at: performance.now() + weather.delayMs, chunk });
    held += chunk.length;
    if (held >= MAX_HELD) from.pause();
    if (!timer) pump();
  });
  from.on('end', () => {
    queue.push({ at: performance.now() + weather.delayMs });
    if (!timer) pump();
  });
  return { isDone: () => isDone, wake: pump };
}
