/**
 * What the configuration says of incoming traffic. It comes in the agent's environment, which supervisor and worker share, and holds for
 * all its connections; the client has checked it.
 */
export interface IncomingSettings {
  /** Of the two ways to write traffic rules the only one that is tried. */
  rules: 'nftables' | 'iptables' | undefined;
  /** How long a server that speaks first is held up, at most. */
  silenceMs: number;
  /** Filters on bodies look at that many bytes, and wait that long for them. */
  maxBody: number;
  bodyLimitMs: number;
}

export function readIncomingSettings(env: NodeJS.ProcessEnv): IncomingSettings {
  const number = (name: string, fallback: number) => {
    const text = env[`MIRRORD_AGENT_${name}`] ?? '';
    return /^\d{1,9}$/.test(text) ? Number(text) : fallback;
  };
  const nftables = env.MIRRORD_AGENT_NFTABLES;
  return {
    rules: nftables === 'true' ? 'nftables' : nftables === 'false' ? 'iptables' : undefined,
    silenceMs: number('HTTP_DETECTION_TIMEOUT_MS', 200),
    maxBody: number('MAX_BODY_BUFFER_SIZE', 64 * 1024),
    bodyLimitMs: number('MAX_BODY_BUFFER_TIMEOUT', 1_000),
  };
}

export const SETTINGS = readIncomingSettings(process.env);
