import { mkdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { requireFree } from '../disks/new-file.ts';
import { readRecord, syncFolder, writeRecord } from '../store/atomic-file.ts';

/** A folder to be made. */
export interface NewFolder {
  path: string;
  /** Of this one making: who is called again after a death knows by it what is his own. */
  token: string;
}

/** What a folder says of its making, in `export.json`. */
const madeRecord = z.strictObject({
  version: z.literal(1),
  token: z.uuid(),
  files: z.array(z.string()),
  sizeBytes: z.int().min(0),
});

/** A folder that was made, its files relative to it, and the bytes that they take. */
export interface MadeFolder {
  folder: string;
  files: string[];
  sizeBytes: number;
}

/**
 * Makes a folder that appears under its name once it is whole.
 * @param make fills it, and gives the names of its files
 * @throws NameInUse
 */
export async function makeFolder(target: NewFolder, make: (staging: string) => Promise<string[]>): Promise<MadeFolder> {
  const folder = path.resolve(target.path);
  const parent = path.dirname(folder);
  const staging = partialOf(target);
  await requireFree(folder);
  await mkdir(parent, { recursive: true });
  try {
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging, { mode: 0o700 });
    const files = await make(staging);
    const sizes = await Promise.all(files.map((file) => stat(path.join(staging, file))));
    const sizeBytes = sizes.reduce((sum, { blocks }) => sum + blocks * 512, 0);
    await writeRecord(path.join(staging, 'export.json'), { version: 1, token: target.token, files, sizeBytes });
    await requireFree(folder);
    await rename(staging, folder);
    // What has happened is not told as failed, even where it cannot be confirmed that it outlives a power failure.
    await syncFolder(parent).catch(() => undefined);
    return { folder, files, sizeBytes };
  } catch (error) {
    await rm(staging, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
}

/** What an earlier run of the same making has made, whole; removes what one that died left. */
export async function madeEarlier(target: NewFolder): Promise<MadeFolder | undefined> {
  await rm(partialOf(target), { recursive: true, force: true });
  const folder = path.resolve(target.path);
  const made = await readRecord(path.join(folder, 'export.json'), madeRecord).catch(() => undefined);
  return made?.token === target.token ? { folder, files: made.files, sizeBytes: made.sizeBytes } : undefined;
}

/** Where a folder is until it is whole: beside its place. */
export function partialOf({ path: target, token }: NewFolder): string {
  const folder = path.resolve(target);
  return path.join(path.dirname(folder), `.${path.basename(folder)}.${token.slice(0, 8)}.partial`);
}
