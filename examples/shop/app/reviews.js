// The service that a developer works on: it runs as a pod in the cluster and, unchanged, on the developer's machine.
const http = require('node:http');
const { collectFacts } = require('./facts.js');

const server = http.createServer(async (request, response) => {
  response.setHeader('content-type', 'application/json');
  if (request.url === '/facts') {
    response.end(JSON.stringify(await collectFacts()));
    return;
  }
  response.end(JSON.stringify({ stars: 5, color: process.env.STAR_COLOR, servedTo: request.socket.remoteAddress }));
});

server.listen(Number(process.env.LISTEN_PORT ?? 9080), () => {
  console.log(JSON.stringify({ listening: server.address().port }));
});
