// What a program of this machine needs to run somewhere else: itself, its libraries, its plug-ins.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

const FOLDERS = [
  ...new Set([...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin']),
];

/** Absolute path of a program, or undefined. */
export function findProgram(name) {
  return FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/**
 * Files to put into an image, by their path in it. Links are followed: a library is there under the name it is asked for by.
 *
 * @param {Record<string, string>} programs path in the image → path here
 * @returns {Map<string, {mode: number, content: Buffer}>}
 */
export function collectPrograms(programs) {
  const files = new Map();
  for (const [path, source] of Object.entries(programs)) {
    files.set(path, { mode: 0o755, content: readFileSync(source) });
    for (const library of [...librariesOf(source), ...pluginsOf(source)]) {
      if (!files.has(library)) files.set(library, { mode: 0o755, content: readFileSync(library) });
      for (const further of librariesOf(library))
        if (!files.has(further)) files.set(further, { mode: 0o755, content: readFileSync(further) });
    }
  }
  for (const library of nameServices([...files.keys()]))
    files.set(library, { mode: 0o755, content: readFileSync(library) });
  return files;
}

/** As the dynamic loader finds them; a static program has none. */
function librariesOf(file) {
  let said;
  try {
    said = execFileSync('ldd', [file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return [];
  }
  const missing = /^\s*(\S+) => not found/m.exec(said);
  if (missing) throw new Error(`${file} needs ${missing[1]}, which this machine has not got`);
  return [...said.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path]) => path);
}

/** iptables loads a file for each of its matches and targets. */
function pluginsOf(file) {
  if (!/xtables/.test(realpathSync(file))) return [];
  const folder = [dirname(librariesOf(file).find((path) => /libxtables/.test(path)) ?? ''), '/usr/lib']
    .map((base) => join(base, 'xtables'))
    .find((path) => existsSync(path));
  return folder
    ? readdirSync(folder)
        .filter((name) => name.endsWith('.so'))
        .map((name) => join(folder, name))
    : [];
}

/** The C library loads these by name when a program looks up a host; since glibc 2.34 they are part of it. */
function nameServices(libraries) {
  const folder = dirname(libraries.find((path) => /\/libc\.so\.6$/.test(path)) ?? '/nowhere/x');
  return ['libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2']
    .map((name) => join(folder, name))
    .filter((path) => existsSync(path));
}
