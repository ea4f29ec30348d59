import type { Duplex } from 'node:stream';

/**
 * What a link runs over: an ordered byte stream with back-pressure. A port-forward, a socket and an in-memory pair are all
 * a Node `Duplex`. When it is lost, it is destroyed, with the reason as the error.
 */
export type Transport = Duplex;

/** Opens a fresh transport to the same agent; called for the first connection and again for each resume. */
export type Dial = (signal?: AbortSignal) => Promise<Transport>;
