import { statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import { systemCode } from '../model/checkpoint-error.ts';

/** The volume that files lie on. */
export interface Volume {
  /** The same for all that lies on it, while it stays mounted (`st_dev`). */
  device: number;
  /** What is free for this user, in bytes. */
  freeBytes: number;
  sizeBytes: number;
}

/** @param place a file or folder; of one that is not there yet, the volume that it would lie on */
export async function volumeOf(place: string): Promise<Volume> {
  try {
    // At once: the system has both in memory, and the turns of a thread would cost ten times as much.
    const { dev } = statSync(place);
    const { bavail, blocks, bsize } = statfsSync(place);
    return { device: dev, freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
  } catch (error) {
    const above = path.dirname(place);
    if (above !== place && (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR')) {
      return volumeOf(above);
    }
    throw error;
  }
}
