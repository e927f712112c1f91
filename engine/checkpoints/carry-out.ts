import type { MachineFolder } from '../store/machine-folder.ts';

/**
 * Carries out what the journal says, each step of which is safe to repeat. A step that fails is tried once more; when it
 * fails again, the journal stays, and the next engine goes on from there.
 */
export async function carryOut<T>(folder: MachineFolder, steps: () => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await steps();
  } catch {
    result = await steps();
  }
  // Left where it is, it does no harm: what it says has been done is done again.
  await folder.clearJournal().catch(() => undefined);
  return result;
}
