/** Wide enough for whatever an application allows: it is the application's own limits that its clients are to meet. */
export const SETTINGS = { initialWindowSize: 1024 * 1024, maxHeaderListSize: 64 * 1024 };

/** Of one session: pairs of headers in a request, and megabytes held for it. */
export const LIMITS = { maxHeaderListPairs: 2_000, maxSessionMemory: 32 };

/** As gRPC servers allow. */
export const MAX_STREAMS = 1_000;
