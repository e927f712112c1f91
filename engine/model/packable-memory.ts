import type { Checkpoint } from './checkpoint.ts';
import type { Now } from './machine.ts';
import type { SavedMemory } from './saved-memory.ts';

/** Packed memory takes at most this share of what it took, or it is left as it is: every apply pays for it. */
export const mostPackedShare = 0.75;

export type WithMemory = Checkpoint & { memory: SavedMemory };

/** So old is what an engine packs without being asked: what is newer is gone back to too often to be loaded more slowly. */
export const packedByItselfHours = 24;

/**
 * Checkpoints whose memory is to be packed, oldest first. Not the one that Now hangs from, which is reverted to most and is
 * to be loaded the fastest; nor what expires in a day.
 * @param takenBefore default: whenever they were taken
 */
export function packableCheckpoints(
  checkpoints: readonly Checkpoint[],
  now: Pick<Now, 'parent'>,
  takenBefore?: Date,
): WithMemory[] {
  return checkpoints
    .filter(hasMemory)
    .filter(({ created }) => takenBefore === undefined || Date.parse(created) < takenBefore.getTime())
    .filter(({ id, expires, memory }) => {
      const isTried = memory.packedBytes !== undefined || memory.isPackable === false;
      return !isTried && id !== now.parent && expires === undefined;
    })
    .sort((a, b) => Date.parse(a.created) - Date.parse(b.created));
}

function hasMemory(checkpoint: Checkpoint): checkpoint is WithMemory {
  return checkpoint.memory !== undefined;
}
