// The shop's front: calls reviews by service name and tells callers which address they came from.
const http = require('node:http');

http
  .createServer(async (request, response) => {
    response.setHeader('content-type', 'application/json');
    if (request.url === '/whoami') {
      response.end(JSON.stringify({ caller: request.socket.remoteAddress.replace('::ffff:', '') }));
      return;
    }
    try {
      const path = request.url === '/reviews-facts' ? '/facts' : '/';
      const reviews = await fetch(`http://reviews:9080${path}`);
      response.end(await reviews.text());
    } catch (error) {
      response.statusCode = 502;
      response.end(JSON.stringify({ error: String(error.cause ?? error) }));
    }
  })
  .listen(80);
