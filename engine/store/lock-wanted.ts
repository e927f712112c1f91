import { rmSync, statSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { readRecord } from './atomic-file.ts';
import type { LockHolder } from './lock-holder.ts';

/** Purpose of who only looks at a machine, and waits until nobody changes it. */
export const lookOperation = 'look';

/** Purpose of who ends what an engine left that died: nobody can do anything before that, so it is waited for. */
export const recoverOperation = 'recover';

/** True when nobody holds a lock, or somebody who only recovers. */
export function isFreeSoon(holder: LockHolder | undefined): boolean {
  return holder === undefined || holder.operation === recoverOperation;
}

/** What holds its lock for long, and gives it up for a while when somebody wants it. */
export type YieldingOperation = 'merge' | 'pack';

/**
 * For whom it is not worth it: what yields itself; and for a merge what comes by itself, and again, and who only looks and can
 * say that a merge is under way. Of packing nobody is to notice anything.
 */
const patientOperations: Readonly<Record<YieldingOperation, readonly string[]>> = {
  merge: ['merge', 'pack', 'prune', 'doctor', lookOperation],
  pack: ['merge', 'pack'],
};

const wantedRecord = z.object({ operation: z.string().max(100), face: z.string().max(100) });
export type Wanted = z.output<typeof wantedRecord>;

/** True when the holder of a lock gives it up for somebody with this purpose. */
export function yieldsTo(holder: LockHolder | undefined, { operation }: Wanted): boolean {
  const held = holder?.operation;
  return (held === 'merge' || held === 'pack') && !patientOperations[held].includes(operation);
}

/**
 * Says that somebody waits for a lock. It is a hint, which is given again while the waiting lasts.
 * @returns false where it cannot be said
 */
export function wantLock(file: string, wanted: Wanted): boolean {
  try {
    writeFileSync(wantedFile(file), JSON.stringify(wanted), { mode: 0o600 });
    return true;
  } catch {
    return false;
  }
}

export function isLockWanted(file: string): boolean {
  return statSync(wantedFile(file), { throwIfNoEntry: false }) !== undefined;
}

/** Takes the hint, which is gone then. @returns who waits, as far as it can be read */
export async function takeWanted(file: string): Promise<Wanted | undefined> {
  const wanted = await readRecord(wantedFile(file), wantedRecord).catch(() => undefined);
  rmSync(wantedFile(file), { force: true });
  return wanted;
}

function wantedFile(file: string): string {
  return `${file}.wanted`;
}
