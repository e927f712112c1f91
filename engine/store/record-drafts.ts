import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';

/** What a writer of a record makes first; see `writeFileAtomically`. */
export function isDraft(name: string): boolean {
  return /\.json\.[0-9a-f]{8}\.new$/.test(name);
}

/** True when a writer of a record is at work, or has died at it. */
export function hasDrafts(machineFolder: string): boolean {
  return namesIn(machineFolder).some(isDraft);
}

/** Removes what writers of records left that died; to be called with the machine locked. */
export async function removeDrafts(machineFolder: string): Promise<void> {
  for (const folder of ['', 'checkpoints', 'trash', 'clones', 'run'].map((inner) => path.join(machineFolder, inner))) {
    for (const name of namesIn(folder).filter(isDraft)) {
      await rm(path.join(folder, name), { force: true });
    }
  }
}

/** At once: the folders of a machine are small, and a turn of a thread costs more than to read one. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
