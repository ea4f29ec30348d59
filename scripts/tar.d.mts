export interface TarEntry {
  path: string;
  type?: 'file' | 'folder' | 'link';
  mode?: number;
  content?: Uint8Array;
  target?: string;
}
export function writeTar(entries: TarEntry[]): Buffer;
export function readTar(bytes: Buffer): Map<string, Buffer>;
