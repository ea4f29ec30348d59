import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Marks of a repository or workspace whose packages load each other's files. */
const WORKSPACE_MARKS = ['.git', 'pnpm-workspace.yaml', 'nx.json', 'turbo.json', 'lerna.json', 'rush.json'];

function has(folder: string, names: readonly string[]): boolean {
  return names.some((name) => existsSync(join(folder, name)));
}

/**
 * Folders whose files are the developer's: the working directory, the package it is in (the nearest package.json
 * upward) and the workspace or repository around that. The root of the file system is none, whatever lies there.
 */
export function findLocalRoots(cwd: string): string[] {
  const roots = new Set([cwd]);
  let foundPackage = false;
  for (let folder = cwd; dirname(folder) !== folder; folder = dirname(folder)) {
    if (!foundPackage && has(folder, ['package.json'])) {
      foundPackage = true;
      roots.add(folder);
    }
    if (has(folder, WORKSPACE_MARKS)) roots.add(folder);
  }
  roots.delete('/');
  return [...roots];
}
