import { closeSync, openSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { parseKubeconfig } from './read-kubeconfig';

export interface Tokens {
  idToken: string | undefined;
  refreshToken: string | undefined;
}

/**
 * Puts tokens into a kubeconfig in the place of others, and changes nothing else of it. Where the file cannot be written, or
 * says the old ones in a way that is not plain, it is left as it is.
 *
 * @returns whether the file holds the new refresh token now
 */
export function saveTokens(file: string | undefined, old: Tokens, fresh: Tokens): boolean {
  if (!file || !old.refreshToken) return false;
  let path: string;
  let lock: number;
  try {
    path = realpathSync(file);
    // As kubectl does it; who finds one leaves the file alone.
    lock = openSync(`${path}.lock`, 'wx', 0o600);
  } catch {
    return false;
  }
  const beside = `${path}.mirrord-${process.pid}`;
  try {
    const before = readFileSync(path, 'utf8');
    const after = replace(replace(before, old.idToken, fresh.idToken), old.refreshToken, fresh.refreshToken);
    if (!before.includes(old.refreshToken) || !isSameBut(before, after, old, fresh)) return false;
    writeFileSync(beside, after, { mode: statSync(path).mode & 0o777 });
    renameSync(beside, path);
    return true;
  } catch {
    rmSync(beside, { force: true });
    return false;
  } finally {
    closeSync(lock);
    rmSync(`${path}.lock`, { force: true });
  }
}

const replace = (text: string, old: string | undefined, fresh: string | undefined) =>
  old && fresh ? text.replaceAll(old, () => fresh) : text;

/** A token with a letter that means something in YAML would change more than itself. */
function isSameBut(before: string, after: string, old: Tokens, fresh: Tokens): boolean {
  const expected = JSON.parse(JSON.stringify(parseKubeconfig(before)), (_key, value) =>
    value === old.idToken ? fresh.idToken : value === old.refreshToken ? fresh.refreshToken : value,
  );
  return JSON.stringify(parseKubeconfig(after)) === JSON.stringify(expected);
}
