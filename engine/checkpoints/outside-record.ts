import { lstat, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { readRecord } from '../store/atomic-file.ts';
import { recordVersion } from '../store/records.ts';

/**
 * What a machine that is being made says of the folder for its disks, so that it goes when the machine never comes to be. It
 * means nothing any more once the machine has its name.
 */
export const outsideFile = 'run/outside.json';
const outsideRecord = z.strictObject({
  version: z.literal(recordVersion),
  /** Absolute. */
  folder: z.string().max(4096),
  /** Where it is made. */
  staging: z.string().max(4096),
  /** Which folder it is, and what is in it, once it is about to get its name. */
  made: z.strictObject({ device: z.string(), inode: z.string(), files: z.array(z.string()) }).exactOptional(),
});
export type OutsideRecord = z.output<typeof outsideRecord>;

/**
 * Removes what lies outside of a machine that did not come to be; nothing that somebody else has put there.
 * @param staging the folder that the machine was made in
 */
export async function removeOutside(staging: string): Promise<void> {
  const record = await readRecord(path.join(staging, outsideFile), outsideRecord);
  if (record === undefined) {
    return;
  }
  await rm(record.staging, { recursive: true, force: true });
  const found = await lstat(record.folder, { bigint: true }).catch(() => undefined);
  const { made } = record;
  if (made !== undefined && String(found?.dev) === made.device && String(found?.ino) === made.inode) {
    for (const file of made.files) {
      await rm(path.join(record.folder, path.basename(file)), { force: true });
    }
    // What somebody else has put there stays, and the folder with it.
    await rmdir(record.folder).catch(() => undefined);
  }
}
