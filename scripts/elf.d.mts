export const MACHINES: Record<'amd64' | 'arm64', number>;
export function readElf(
  bytes: Buffer,
): { machine: number; interpreter: string | undefined; needed: string[]; paths: string[] } | undefined;
