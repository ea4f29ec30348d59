import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export interface PayloadFile {
  content: Buffer;
  mode: number;
}

let generation = 0;

/**
 * Writes a volume's files as the kubelet does: into a hidden folder of its own, shown through the link `..data`, which is swapped
 * in one step. A reader sees the old set or the new one, never a mixture; where nothing has changed, nothing is touched.
 */
export function writePayload(folder: string, files: Map<string, PayloadFile>): void {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const before = current(folder);
  if (before && holds(join(folder, before), files)) return;
  const name = `..${new Date().toISOString().replace(/[-:]/g, '_').slice(0, 19)}.${generation++}`;
  for (const [path, file] of files) {
    const target = join(folder, name, path);
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    writeFileSync(target, file.content);
    chmodSync(target, file.mode);
  }
  mkdirSync(join(folder, name), { recursive: true, mode: 0o755 });
  symlinkSync(name, join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  const top = new Set([...files.keys()].map((path) => path.split('/')[0]!));
  const shown = readdirSync(folder).filter((entry) => !entry.startsWith('..'));
  for (const entry of top) if (!shown.includes(entry)) symlinkSync(join('..data', entry), join(folder, entry));
  for (const entry of shown) if (!top.has(entry)) rmSync(join(folder, entry));
  if (before) rmSync(join(folder, before), { recursive: true, force: true });
}

function current(folder: string): string | undefined {
  try {
    return readlinkSync(join(folder, '..data'));
  } catch {
    return undefined;
  }
}

function holds(folder: string, files: Map<string, PayloadFile>): boolean {
  const there = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(folder, path)).isFile(),
  );
  return (
    there.length === files.size &&
    there.every((path) => {
      const wanted = files.get(path);
      const { mode } = statSync(join(folder, path));
      return wanted && (mode & 0o7777) === wanted.mode && readFileSync(join(folder, path)).equals(wanted.content);
    })
  );
}
