import { resetSocket } from '../../../protocol/splice';
import type { ByteDuplex } from '../join-sockets';
import type { Subscriber } from '../subscriber';
import { ByteSource } from './byte-source';

/** Where requests of one connection go: the pod's application, or one client. Used again while it stands. */
export class Destination {
  readonly socket: ByteDuplex;
  readonly source: ByteSource;
  /** Undefined for the pod. */
  readonly subscriber: Subscriber | undefined;
  /** Requests it was given before. */
  used = 0;

  constructor(socket: ByteDuplex, subscriber: Subscriber | undefined) {
    this.socket = socket.on('error', () => {});
    this.subscriber = subscriber;
    this.source = new ByteSource(socket);
  }

  /** What has come unasked, as a time-out that is told, would be taken for the next answer. */
  get usable(): boolean {
    const { destroyed, writableEnded, readableLength } = this.socket;
    return !destroyed && !writableEnded && !this.source.ended && readableLength + this.source.buffered.length === 0;
  }

  abort(): void {
    resetSocket(this.socket);
  }
}
