// Ends with its parent's channel. The server that is measured, in the pod and on the client: HTTP/1.1 on 7080, small answers.
require('node:http')
  .createServer((_request, response) => response.end('hello'))
  .listen(7080, () => process.send?.('up'));
process.on('disconnect', () => process.exit(0));
