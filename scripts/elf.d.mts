export function readElf(
  bytes: Buffer,
): { interpreter: string | undefined; needed: string[]; paths: string[] } | undefined;
