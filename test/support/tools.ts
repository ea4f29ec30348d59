import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Of Node's own installation. */
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const LIMIT_MS = 300_000;

/** Packages of a name and a version, as `npm install` takes them. Too large, and too many, for everybody who builds this. */
export class Tools {
  readonly folder: string;

  constructor(
    name: string,
    private readonly packages: string[],
  ) {
    this.folder = join(tmpdir(), `mirrord-test-${name}-${process.versions.node.split('.')[0]}`);
  }

  /** Installs them, once for this machine. False, with a notice: the registry cannot be reached. */
  async install(): Promise<boolean> {
    const wanted = this.packages.join(' ');
    const note = join(this.folder, 'installed');
    if (existsSync(note) && readFileSync(note, 'utf8').trim() === wanted) return true;
    const fresh = `${this.folder}.${process.pid}`;
    mkdirSync(fresh, { recursive: true });
    try {
      const flags = ['install', '--no-audit', '--no-fund', '--no-save', '--prefix', fresh];
      await run(npm, [...flags, ...this.packages], { cwd: fresh, timeout: LIMIT_MS, env: plainEnv() });
      writeFileSync(join(fresh, 'installed'), wanted);
      rmSync(this.folder, { recursive: true, force: true });
      renameSync(fresh, this.folder);
      return true;
    } catch (error) {
      console.warn(
        `not tested, as they could not be installed: ${wanted} (${(error as Error).message.split('\n')[0]})`,
      );
      rmSync(fresh, { recursive: true, force: true });
      return false;
    }
  }

  /** Path of a file of theirs. */
  file(path: string): string {
    return join(this.folder, 'node_modules', path);
  }
}

function plainEnv(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...env } = process.env;
  return env;
}
