import { hostname, userInfo } from 'node:os';

/** How this client introduces itself to the agent, for its log: who, and which process. */
export function clientName(): string {
  return `${userName()} ${process.pid}`;
}

/** The same for other people whose ports it may hold: who, where and which process. */
export function subscriberName(): string {
  return `${userName()} on ${hostname()}, process ${process.pid}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry in the user database, as in containers.
    return 'unknown';
  }
}
