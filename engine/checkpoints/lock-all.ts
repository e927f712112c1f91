import path from 'node:path';
import type { MachineFolder } from '../store/machine-folder.ts';
import { withLock } from '../store/machine-lock.ts';
import type { EngineContext } from './engine-context.ts';

/**
 * Locks machines, in one order for all engines, so that no two wait for each other.
 * @param places may name one twice
 * @param act gets them in that order
 * @throws Locked
 */
export async function lockAll<T>(
  context: EngineContext,
  places: readonly { folder?: MachineFolder }[],
  operation: string,
  act: (locked: MachineFolder[]) => Promise<T>,
): Promise<T> {
  const folders = new Map(places.flatMap(({ folder }) => (folder === undefined ? [] : [[folder.path, folder]])));
  const sorted = [...folders.keys()].sort().flatMap((one) => folders.get(one) ?? []);
  const lock = (locked: MachineFolder[]): Promise<T> => {
    const next = sorted[locked.length];
    next?.requireReachable();
    return next === undefined
      ? act(locked)
      : withLock(next.lock, `Machine “${path.basename(next.path)}”`, { operation, face: context.face }, () => {
          next.lockIsHad();
          return lock([...locked, next]);
        });
  };
  return lock([]);
}
