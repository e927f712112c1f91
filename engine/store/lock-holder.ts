import { z } from 'zod';
import { readRecord } from './atomic-file.ts';

/** Who holds a lock, for the message to those who want it. */
export interface LockHolder {
  pid: number;
  identity?: string;
  /** What it is doing, such as `take`. */
  operation: string;
  /** How the user knows it, such as `VS Code` or `ckpt`. */
  face: string;
  since: string;
}

const holderRecord = z.object({
  pid: z.int().positive(),
  identity: z.string().exactOptional(),
  operation: z.string().max(100),
  face: z.string().max(100),
  since: z.iso.datetime(),
});

/** A held lock. */
export interface FileLock {
  release(): Promise<void>;
}

/** The lock, or who holds it (undefined when it cannot be known). */
export type LockAttempt = { lock: FileLock } | { holder: LockHolder | undefined };

/** The holder that a lock's file names; undefined also while the file is being written. */
export async function readHolder(file: string): Promise<LockHolder | undefined> {
  return readRecord(file, holderRecord).catch(() => undefined);
}
