// What callers were told, held against what was killed when.

/** A request that was under way may be lost, and is to know of it soon. */
const HANG_MS = 3_000;

export class Judge {
  /** @param {{withinMs: number, differ(text: string): void}} options */
  constructor(options) {
    Object.assign(this, options);
    this.requests = [];
    this.totals = { pod: 0, developer: 0, lostInFlight: 0 };
    /** Times of day: when the last answer of either came that was asked for after that. */
    this.kills = [];
  }

  take(from, requests) {
    for (const request of requests) {
      this.requests.push({ from, ...request });
      if (request.by) this.totals[request.by] += 1;
    }
  }

  /** Whether callers of every place have had an answer of that one to what they asked since then. */
  answeredSince(time, by) {
    return ['outside', 'inside'].every((from) =>
      this.requests.some((request) => request.from === from && request.by === by && request.began >= time),
    );
  }

  /** The first answer of the pod to somebody who asked after the kill, in milliseconds after it; the latest of all places. */
  podAnsweredAfter({ killedAt }) {
    return Math.max(
      ...['outside', 'inside'].map((from) => {
        const answers = this.requests.filter(
          (request) => request.from === from && request.by === 'pod' && request.began >= killedAt,
        );
        return Math.min(...answers.map(({ ended }) => ended)) - killedAt;
      }),
    );
  }

  /** Judges what has come since the last call. `kill`: what was killed, when, and when its redirects were gone. */
  settle(kill) {
    if (kill.victim !== 'keeper') {
      const after = this.podAnsweredAfter(kill);
      kill.podAfterMs = after;
      if (!(after <= this.withinMs)) this.differ(`${kill.victim}: the pod answered after ${after} ms`);
    }
    for (const request of this.requests) {
      const { from, kind, by, code, began, ended } = request;
      // What was under way when it was killed, or came before its redirects were gone.
      const inFlight = kill.victim !== 'keeper' && began <= kill.goneAt && ended >= kill.killedAt;
      if (ended - began > HANG_MS) {
        this.differ(`${kill.victim}: a request from ${from} (${kind}) took ${ended - began} ms: ${by ?? code}`);
      } else if (!by && inFlight) this.totals.lostInFlight += 1;
      else if (!by) {
        const when = `${began - kill.killedAt} to ${ended - kill.killedAt} ms after the kill`;
        this.differ(`${kill.victim}: a request from ${from} (${kind}) was lost: ${code}, ${when}`);
      }
    }
    this.requests = [];
  }
}
