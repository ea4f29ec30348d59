import { resetSocket, type SplicableSocket } from '../../../protocol/splice';
import type { Subscriber } from '../subscriber';
import { ByteSource } from './byte-source';

/** Where requests of one connection go: the pod's application, or one client. Used again while it stands. */
export class Destination {
  readonly socket: SplicableSocket;
  readonly source: ByteSource;
  /** Undefined for the pod. */
  readonly subscriber: Subscriber | undefined;
  /** Requests it was given before. */
  used = 0;

  constructor(socket: SplicableSocket, subscriber: Subscriber | undefined) {
    this.socket = socket.on('error', () => {});
    this.subscriber = subscriber;
    this.source = new ByteSource(socket);
  }

  get usable(): boolean {
    return !this.socket.destroyed && !this.socket.writableEnded && !this.source.ended;
  }

  abort(): void {
    resetSocket(this.socket);
  }
}
