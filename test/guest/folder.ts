import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/**
 * Makes sure of a folder that is either whole or not there: unless `isGood` says that it is what it should be, `fill`
 * writes it anew beside its place, and it moves there at once. A good folder is never moved or removed, so several
 * processes can do this at the same time.
 */
export async function ensureFolder(
  folder: string,
  isGood: () => Promise<boolean>,
  fill: (newFolder: string) => Promise<void>,
): Promise<void> {
  if (await isGood()) {
    return;
  }
  await mkdir(path.dirname(folder), { recursive: true });
  const temporaryFolder = await mkdtemp(`${folder}.`);
  try {
    const newFolder = path.join(temporaryFolder, 'new');
    await mkdir(newFolder);
    await fill(newFolder);
    if (!(await renameUnless(occupied, newFolder, folder)) && !(await isGood())) {
      await renameUnless(['ENOENT'], folder, path.join(temporaryFolder, 'old'));
      await renameUnless(occupied, newFolder, folder);
    }
  } finally {
    // Again, if needed: a command that was cancelled may write a last file while this removes the others.
    await rm(temporaryFolder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** What file systems say when a folder would replace one that is not empty. */
const occupied = ['ENOTEMPTY', 'EEXIST'];

/** Returns false if the rename fails with one of the codes that are expected. */
async function renameUnless(expectedCodes: readonly unknown[], from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && expectedCodes.includes(error.code)) {
      return false;
    }
    throw error;
  }
}
