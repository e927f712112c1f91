import { existsSync } from 'node:fs';
import path from 'node:path';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { LifeOperations } from '../protocol/life.ts';
import { removeMoved } from '../store/moved-machines.ts';
import type { EngineContext } from './engine-context.ts';
import { findMachine } from './open-machine.ts';

/**
 * Takes a machine off the list whose disk will not come back, or not here. Nothing of its folder is touched; nobody can hold its
 * lock, which lies in there.
 * @throws MachineNotFound; InvalidArgument for one that is there; MachineNotReachable for one that was on its way when it vanished
 */
export async function forgetMachine(
  context: EngineContext,
  reference: string,
): Promise<LifeOperations['forgetMachine']['result']> {
  context.home.volume.requireThere();
  const folder = await findMachine(context, reference);
  const name = path.basename(folder.path);
  if (!folder.place.isElsewhere || existsSync(folder.path)) {
    throw new CheckpointError(
      'InvalidArgument',
      `Machine “${name}” is there, at ${folder.path}. Only one that is not reachable is taken off the list and left as it is; this one is deleted with everything (ckpt remove-machine), or moved (ckpt move).`,
      { machine: name, path: folder.path },
    );
  }
  if (folder.place.isUnsettled) {
    folder.requireReachable();
  }
  await removeMoved(context.home, name);
  return { forgotten: name, folder: folder.path };
}
