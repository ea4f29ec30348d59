// Ends with its parent's channel. The server that is measured, in the pod and on the client: small answers, HTTP/1.1 on 7080,
// HTTP/2 with prior knowledge on 7081.
const answer = (_request, response) => response.end('hello');
let missing = 2;
const up = () => --missing === 0 && process.send?.('up');
require('node:http').createServer(answer).listen(7080, up);
require('node:http2').createServer(answer).listen(7081, up);
process.on('disconnect', () => process.exit(0));
