import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';

/** Removes what a conversion that was killed left of its target: a file that never got its name. */
export async function removePartialFiles(target: string): Promise<void> {
  const folder = path.dirname(path.resolve(target));
  const prefix = `.${path.basename(target)}.`;
  for (const name of await readdir(folder).catch(() => [])) {
    if (name.startsWith(prefix) && /^[0-9a-f]{8}\.partial$/.test(name.slice(prefix.length))) {
      await rm(path.join(folder, name), { force: true });
    }
  }
}
