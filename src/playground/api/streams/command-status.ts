import { toStatusError } from '../respond';
import type { ChannelProtocol } from './negotiate-protocol';

export type StatusFormat = ChannelProtocol['status'];

/** How a command ended: by itself, or by never having begun. */
export type Outcome = { exitCode: number; command: string[] } | { error: unknown };

/** What goes on the error channel at the end. Empty for success in the oldest form, which says nothing then. */
export function formatOutcome(outcome: Outcome, format: StatusFormat): Buffer {
  if ('error' in outcome) return format === 'v1' ? text(messageOf(outcome.error)) : json(errorStatus(outcome.error));
  if (outcome.exitCode === 0) return format === 'v1' ? text('') : json({ metadata: {}, status: 'Success' });
  const message = exitMessage(outcome, format);
  if (format === 'v1') return text(message);
  return json({
    metadata: {},
    status: 'Failure',
    message,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(outcome.exitCode) }] },
  });
}

/** With v5 the API server ends the WebSocket itself and words this its own way; the others come from the kubelet. */
function exitMessage({ exitCode, command }: { exitCode: number; command: string[] }, format: StatusFormat): string {
  const prefix = 'command terminated with non-zero exit code: ';
  if (format === 'v5') return `${prefix}command terminated with exit code ${exitCode}`;
  return `${prefix}error executing command [${command.join(' ')}], exit code ${exitCode}`;
}

function errorStatus(error: unknown): unknown {
  const { reason, code } = toStatusError(error);
  const message = messageOf(error);
  return { metadata: {}, status: 'Failure', message, reason, details: { causes: [{ message }] }, code };
}

function messageOf(error: unknown): string {
  return toStatusError(error).message;
}

function text(message: string): Buffer {
  return Buffer.from(message);
}

/** Go escapes these three in JSON, and clients compare. */
function json(status: unknown): Buffer {
  const escapes: Record<string, string> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026' };
  return Buffer.from(JSON.stringify(status).replace(/[<>&]/g, (character) => escapes[character]!));
}
