export function resolveIn(root: string, path: string): string | undefined;
export function findProgram(root: string, ...names: string[]): string | undefined;
export function collectPrograms(
  programs: Record<string, string>,
  root?: string,
): Map<string, { mode: number; content: Buffer }>;
