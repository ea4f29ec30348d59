/**
 * Every bound of the wire in one place. Sizes are bytes, times are milliseconds. Tests check each at n and at n + 1.
 */

/** Payload of any frame; more than that is GOAWAY(protocol). */
export const MAX_FRAME_PAYLOAD = 1024 * 1024;
/** Payload of DATA: what one read of a socket gives, and the longest a small stream waits for a big one. */
export const MAX_DATA_PAYLOAD = 64 * 1024;
/** HELLO is read before the token is known to be right, so little may be spent on it. */
export const MAX_HELLO_PAYLOAD = 16 * 1024;
/** Above this a reply travels as a stream, so that it shares the link fairly. */
export const MAX_INLINE_REPLY = 64 * 1024;
/** The same while answers are not fetched, so that what is kept for a resume does not grow with them. */
export const SMALL_REPLY = 1024;
/** A reply that is collected in memory; Node's own readFile has the same limit. Room for its CBOR part on top. */
export const MAX_REPLY = 2 ** 31 + MAX_FRAME_PAYLOAD;
/** Calls in flight, each direction by itself. The next one waits. */
export const MAX_CALLS = 1024;
/** Streams that the other end may have open in one session. */
export const MAX_STREAMS = 10_000;

/** Highest id of a stream. An end that has used up its own ends the session, as none may be used twice. */
export const MAX_STREAM_ID = 0xffff_ffff;

/** Credit of a stream to begin with, and the least it gets when much is granted already. */
export const INITIAL_WINDOW = 256 * 1024;
export const SMALL_WINDOW = 2 * 1024;
export const MAX_WINDOW = 8 * 1024 * 1024;
/** What a window is multiplied by when it was used up: each step takes a round trip, in which a short transfer is held up. */
export const WINDOW_GROWTH = 4;
/** Credit is granted when half a window has been passed on, or this much. */
export const MAX_GRANT = 512 * 1024;
/** Sum of a session's windows from which on new streams begin with the small window. */
export const SESSION_WINDOW_SUM = 32 * 1024 * 1024;
/** Sum of all windows that one process grants. The last quarter is kept for small windows. */
export const TOTAL_WINDOW_SUM = 128 * 1024 * 1024;

/** When the count of received frames is told to the sender, whichever comes first. */
export const ACK_BYTES = 64 * 1024;
export const ACK_FRAMES = 64;
export const ACK_DELAY = 100;
/** Control frames kept for a resume: at the first number new calls wait, at the second the session is given up. */
export const REPLAY_CONTROL_BYTES = 1024 * 1024;
export const REPLAY_CONTROL_LIMIT = 16 * 1024 * 1024;
/** DATA kept for a resume, beyond which none is sent until some is acknowledged: a peer cannot make us keep more. */
export const REPLAY_DATA_BYTES = 32 * 1024 * 1024;
/** DATA of all streams that may be on its way unacknowledged: to begin with, and the least it is held to. */
export const PACE_START = 512 * 1024;
export const PACE_FLOOR = 128 * 1024;
/** The least for a peer that acknowledges seldom: with less on its way than it waits for, each ACK would wait for its timer. */
export const PACE_FLOOR_SELDOM_ACK = 1024 * 1024;
/** What busy processors add to a round trip without any queue: beyond the path's own time, that much is kept on its way. */
export const PACE_ALLOWANCE = 4;
/** Rounds whose best rate counts, so that a process that was held up for a moment is not taken for a slow path. */
export const PACE_ROUNDS = 8;
/**
 * A stream that had nothing to send and now has no more than this goes first, and beyond what the pace allows by as much as the
 * second number; after so many frames of such streams the others get a turn.
 */
export const SLIGHT_BYTES = 8 * 1024;
export const SLIGHT_ROOM = 64 * 1024;
export const SLIGHT_TURNS = 16;
/** Credit of one stream beyond this is a peer that counts wrongly. */
export const MAX_CREDIT = 2 ** 31;

/** Handed to the transport in one write, and the most that may wait inside it before feeding stops. */
export const WRITE_BATCH = 128 * 1024;
export const TRANSPORT_QUEUE = 256 * 1024;
/** What a stream accepts before its `write` answers false. */
export const STREAM_QUEUE = 128 * 1024;
/** Answers to pings that may wait; a peer that asks faster than it reads loses the rest. */
export const MAX_WAITING_PONGS = 16;

/** Silence after which a PING is sent, and what the answer may take before the transport counts as lost. */
export const PING_AFTER = 5_000;
export const PING_LIMIT = 10_000;
/** The same right after the machine has slept, when the transport is most likely dead. */
export const WAKE_LIMIT = 2_000;
/** How often a round trip is measured while data flows. */
export const ROUND_TRIP_AGE = 100;
/** For how long, and for as long again, the shortest round trip counts. */
export const ROUND_TRIP_MEMORY = 10_000;
/** How long a lost session can be resumed. */
export const GRACE = 60_000;
/** From the first byte of a transport to a whole HELLO. */
export const HELLO_LIMIT = 10_000;
/** What the other end may take to close its side after ours has ended. */
export const CLOSE_LIMIT = 1_000;
export const CALL_LIMIT = 30_000;
/** The kernel gives up a connect after about 130 s at most; the answer must come before that and a bit. */
export const OPEN_LIMIT = 140_000;
/** Sessions of one agent, live and parked: each process and each thread of an app has one. */
export const MAX_SESSIONS = 256;
/** Transports that have not said HELLO yet. */
export const MAX_GREETING = 256;
/**
 * Bytes kept for all sessions of one agent that wait for their clients, looked at whenever one is lost and then every second: beyond
 * them, the one that was lost first is given up. One alone may keep more than that. Their number has no limit of its own: a machine
 * that sleeps takes all processes of an app with it.
 */
export const MAX_PARKED_BYTES = 128 * 1024 * 1024;
export const PARKED_CHECK = 1_000;
