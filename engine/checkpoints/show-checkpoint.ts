import { consoleOf } from '../model/console-picture.ts';
import { findCheckpoint } from '../model/tree.ts';
import type { Result } from '../protocol/operations.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { readMachine } from './locked-machine.ts';
import { viewCheckpoint } from './machine-summary.ts';

/**
 * What lists leave out of a checkpoint, because there may be thousands.
 * @param reference of one in the trash its whole id
 * @throws CheckpointNotFound, AmbiguousName, MachineDamaged
 */
export async function showCheckpoint(
  folder: MachineFolder,
  reference: string,
): Promise<Pick<Result<'show'>, 'checkpoint' | 'console'>> {
  const { definition, now, checkpoints, trash } = await readMachine(folder);
  const found =
    trash.find(({ checkpoint }) => checkpoint.id === reference)?.checkpoint ??
    findCheckpoint({ machine: definition.name, checkpoints, now }, reference);
  const picture = consoleOf(found);
  return { checkpoint: viewCheckpoint(found), ...(picture === undefined ? {} : { console: picture }) };
}
