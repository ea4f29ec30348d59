import { createServer, type IncomingMessage, request as plainRequest } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { load } from 'js-yaml';

export interface Held {
  method: string;
  path: string;
  /** Lets it go on. */
  release(): void;
}

/** A point at which a request is held: before the server sees it, or when its answer is on the way back. */
export interface HoldPoint {
  at: 'request' | 'answer';
  matches(method: string, url: string): boolean;
}

/** An API server's address that passes everything on, and holds what the test wants held. Plain HTTP, on loopback. */
export class SlowApi {
  url = '';
  hold: HoldPoint | undefined;
  readonly held: Held[] = [];
  /** Requests that create something and that the server has not answered yet, whether their sender still lives or not. */
  creating = 0;
  readonly #target: URL;
  readonly #ca: string;
  readonly #token: string;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((incoming, answer) => {
    void this.#pass(incoming, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      answer.flushHeaders();
      response.pipe(answer);
    });
  });

  constructor(kubeconfig: string) {
    const { clusters, users } = load(kubeconfig) as any;
    this.#target = new URL(clusters[0].cluster.server);
    this.#ca = Buffer.from(clusters[0].cluster['certificate-authority-data'], 'base64').toString();
    this.#token = users[0].user.token;
  }

  /** Gives a kubeconfig for this address. */
  async start(): Promise<string> {
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('upgrade', (incoming, client: Socket) => void this.#upgrade(incoming, client));
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return JSON.stringify({
      'current-context': 'slow',
      clusters: [{ name: 'slow', cluster: { server: this.url } }],
      users: [{ name: 'slow', user: { token: this.#token } }],
      contexts: [{ name: 'slow', context: { cluster: 'slow', user: 'slow' } }],
    });
  }

  stop(): void {
    for (const { release } of this.held.splice(0)) release();
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #pass(incoming: IncomingMessage, onResponse: (response: IncomingMessage) => void): Promise<void> {
    const { method = '', url = '' } = incoming;
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    if (method === 'POST') this.creating += 1;
    await this.#pause('request', method, url);
    const outgoing = this.#send(incoming);
    outgoing.once('close', () => {
      if (method === 'POST') this.creating -= 1;
    });
    outgoing.on('response', async (response) => {
      await this.#pause('answer', method, url);
      onResponse(response);
    });
    // Whoever asked has gone: what it asked for may be carried out all the same, as in a real cluster.
    outgoing.on('error', () => {});
    outgoing.end(Buffer.concat(chunks));
  }

  async #upgrade(incoming: IncomingMessage, client: Socket): Promise<void> {
    client.on('error', () => {});
    await this.#pause('request', 'UPGRADE', incoming.url ?? '');
    const outgoing = this.#send(incoming);
    outgoing.on('upgrade', (response, server: Socket) => {
      const lines = response.rawHeaders.flatMap((name, index, all) =>
        index % 2 ? [] : [`${name}: ${all[index + 1]}`],
      );
      client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
      server.on('error', () => client.destroy());
      client.on('close', () => server.destroy());
      client.pipe(server).pipe(client);
    });
    outgoing.on('error', () => client.destroy());
    outgoing.on('response', () => client.destroy());
    outgoing.end();
  }

  #send({ method, url, headers }: IncomingMessage) {
    const send = this.#target.protocol === 'https:' ? request : plainRequest;
    return send(new URL(url ?? '/', this.#target), { method, headers, ca: this.#ca, agent: false });
  }

  #pause(at: HoldPoint['at'], method: string, path: string): Promise<void> {
    if (this.hold?.at !== at || !this.hold.matches(method, path)) return Promise.resolve();
    return new Promise((resolve) => this.held.push({ method, path, release: resolve }));
  }
}
