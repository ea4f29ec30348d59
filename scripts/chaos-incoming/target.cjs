// The pod's own application: says that it is the pod's, after as many milliseconds as the path asks for.
const http = require('node:http');

const server = http.createServer((request, response) => {
  request.resume().on('end', () => setTimeout(() => response.end('pod'), Number(request.url.slice(1))));
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2]));
