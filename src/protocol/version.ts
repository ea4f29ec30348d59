/**
 * Version of what is said inside the frames. The version byte of a frame is the framing's alone.
 *
 * Both ends tell the range they speak, and settle on the lower of the two upper ends.
 */
export const PROTOCOL_VERSION = 1;
export const OLDEST_PROTOCOL = 1;

/** An end that says ACK after 64 KiB; one that does not name it may wait for 256 KiB. */
export const PROMPT_ACK = 'prompt-ack';
/** Abilities that can be there or not within one version. */
export const FEATURES: readonly string[] = [PROMPT_ACK];

export interface SpokenVersions {
  protocol: number;
  /** Oldest version that is still understood. */
  oldest: number;
}

/** The version both speak, or undefined when there is none. */
export function settleVersion(own: SpokenVersions, peer: SpokenVersions): number | undefined {
  const version = Math.min(own.protocol, peer.protocol);
  return version >= own.oldest && version >= peer.oldest ? version : undefined;
}

export function settleFeatures(own: readonly string[], peer: readonly string[]): string[] {
  return own.filter((feature) => peer.includes(feature));
}

/** `1`, or `1 to 3`. */
export function describeVersions({ protocol, oldest }: SpokenVersions): string {
  return oldest < protocol ? `${oldest} to ${protocol}` : String(protocol);
}

/** What to do where there is none. */
export const VERSION_HINT =
  'Give package and agent the same version: agent.image names the image of the agent. One of another version that is there already ends after its last session; mirrord clean --yes removes it before.';
