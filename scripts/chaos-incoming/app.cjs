// The developer's app under the preload. On `again` it listens anew, as it is told to when its port was given up.
const http = require('node:http');

let server;
const listen = () => {
  server?.close();
  server = http.createServer((request, response) => {
    request.resume().on('end', () => setTimeout(() => response.end('developer'), Number(request.url.slice(1))));
  });
  server.keepAliveTimeout = 60_000;
  server.listen(Number(process.argv[2]), () => process.send('listening'));
};
process.on('message', (what) => (what === 'again' ? listen() : process.exit(0)));
process.on('disconnect', () => process.exit(1));
listen();
