/** Runs in a peer: one request; gives status and body, or the code of what happened instead. */
export const ask = ({ args, require }: any): Promise<string> =>
  new Promise((resolve) => {
    const { host, port, path = '/', headers = {}, method = 'GET', body, localPort } = args;
    const request = require('node:http').request(
      { host, port, path, headers, method, localPort, agent: false },
      (response: any) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk));
        response.on('end', () => resolve(`${response.statusCode} ${text}`));
        response.on('error', (error: any) => resolve(error.code));
      },
    );
    request.on('error', (error: any) => resolve(error.code));
    request.setTimeout(8_000, () => {
      resolve('timeout');
      request.destroy();
    });
    request.end(body);
  });
