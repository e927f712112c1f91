import type { Checkpoint } from './checkpoint.ts';
import { byCreation } from './tree.ts';

/**
 * Checkpoints that one has replaced where only the last few of its name are kept: those that the same kind of maker gave the
 * same name, but for the newest and for those that are pinned. Oldest first.
 * @param count how many are kept, itself included
 */
export function supersededBy(checkpoints: readonly Checkpoint[], taken: string, count: number): Checkpoint[] {
  const newest = checkpoints.find(({ id }) => id === taken);
  const alike = byCreation(checkpoints).filter(
    ({ name, createdBy, pinned }) => name === newest?.name && createdBy === newest.createdBy && pinned !== true,
  );
  return alike.slice(0, Math.max(0, alike.length - count)).filter(({ id }) => id !== taken);
}
