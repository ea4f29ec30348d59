/** Of the sessions with developers: wide enough for whatever an application allows, whose own limits its clients are to meet. */
export const SETTINGS = { initialWindowSize: 1024 * 1024, maxHeaderListSize: 64 * 1024 };

/** Of one such session: pairs of headers in a request, and megabytes held for it. */
export const LIMITS = { maxHeaderListPairs: 2_000, maxSessionMemory: 32 };

/** Of one connection, requests that somebody else than the pod answers. More than the pod allows come from no caller that listens to it. */
export const MAX_TAKEN = 2_000;
/** Of a header block as it comes, with all its frames. */
export const MAX_BLOCK = 128 * 1024;
/** Of a header list as RFC 9113 counts it; more where the pod says so, up to that. */
export const MAX_LIST = { least: 64 * 1024, most: 1024 * 1024 };
/** What both ends are told where they allow each other more: what has to be whole before it is passed on is held by the agent. */
export const MAX_FRAME = 64 * 1024;
export const MAX_TABLE = 64 * 1024;
/** Of one connection, bytes that wait for a developer to take them, or for the caller to make room. */
export const MAX_HELD = 16 * 1024 * 1024;
