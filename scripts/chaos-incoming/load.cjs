// Callers that never stop, in a pod: some connect anew for each request, some keep their connection. Prints what became of each
// request, in lists of JSON, a line every tenth of a second.
const http = require('node:http');

const [host, port, lanes] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
/** A caller's own limit: nothing may come near it. */
const LIMIT_MS = 5_000;
const BODY = Buffer.alloc(100_000, 1);
let told = [];
let turn = 0;

function ask(agent, path, method) {
  return new Promise((resolve) => {
    const began = Date.now();
    const done = (by, code) => resolve({ kind: agent ? 'kept' : 'fresh', by, code, began, ended: Date.now() });
    const request = http.request({ host, port, path, method, agent: agent ?? false }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => done(response.statusCode === 200 ? text : undefined, response.statusCode));
      response.on('error', (error) => done(undefined, error.code));
    });
    request.setTimeout(LIMIT_MS, () => request.destroy(Object.assign(new Error('late'), { code: 'TIMEOUT' })));
    // A connection that was kept may have ended before the request was on it: Node asks for that to be tried again.
    request.on('error', ({ code }) =>
      request.reusedSocket && code === 'ECONNRESET' ? resolve(ask(agent, path, method)) : done(undefined, code),
    );
    request.end(method === 'POST' ? BODY : undefined);
  });
}

async function lane(agent) {
  for (;;) {
    turn += 1;
    const path = `/${turn % 4 === 0 ? 120 : turn % 7}`;
    told.push(await ask(agent, path, turn % 5 === 0 ? 'POST' : 'GET'));
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

for (let index = 0; index < lanes; index++) {
  void lane(index % 2 ? new http.Agent({ keepAlive: true, maxSockets: 1 }) : undefined);
}
setInterval(() => {
  if (told.length > 0) process.stdout.write(`${JSON.stringify(told)}\n`);
  told = [];
}, 100);
