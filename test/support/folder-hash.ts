import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';

/** SHA-256 of all there is in a folder: names, modes, times and content. */
export async function folderHash(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const file = path.join(folder, name);
    const { mode, mtimeMs, ino, size } = await lstat(file);
    hash.update(JSON.stringify([name, mode, mtimeMs, ino, size]));
    if ((mode & 0o170000) === 0o100000) {
      hash.update(await readFile(file));
    } else if ((mode & 0o170000) === 0o120000) {
      hash.update(await readlink(file));
    }
  }
  return hash.digest('hex');
}
