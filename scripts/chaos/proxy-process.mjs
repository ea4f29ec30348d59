// The proxy in a process of its own, so that it can be stopped (SIGSTOP): then connections are accepted and nobody answers.
import { startProxy } from '../../bench/proxy.mjs';

const proxy = await startProxy({ host: process.argv[2], port: Number(process.argv[3]) });
process.on('message', ({ weather, cutAfter }) => {
  if (weather)
    Object.assign(proxy.weather, { delayMs: 0, bytesPerSecond: Infinity, hole: false, refuse: false }, weather);
  if (cutAfter !== undefined) process.send({ cut: proxy.cut(cutAfter) });
  proxy.wake();
});
process.on('disconnect', () => process.exit(0));
process.send({ port: proxy.port });
