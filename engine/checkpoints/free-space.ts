import path from 'node:path';
import { keptStatesOf } from '../model/require-space.ts';
import { LayerUse } from '../model/space.ts';
import type { FreedMachine } from '../protocol/space.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { deletePastTrash } from './delete-for-good.ts';
import type { EngineContext } from './engine-context.ts';
import { readMachine, type OpenMachine } from './locked-machine.ts';
import { changeMachine } from './open-machine.ts';
import { discardableOf, givingMachine } from './space-check.ts';
import { discardTrash } from './trash.ts';

type Known = Pick<OpenMachine, 'folder' | 'records'>;

/**
 * Discards for good what a machine keeps only in case: its trash, and what apply, undo and redo kept. No layers are merged:
 * that would need space, and time.
 * @returns undefined when there is nothing of that kind; such a machine is neither locked nor written
 * @throws Locked, MachineDamaged
 */
export async function freeSpaceOf(
  context: EngineContext,
  folder: MachineFolder,
  isDryRun: boolean,
): Promise<FreedMachine | undefined> {
  const found = await discardable({ folder, records: await readMachine(folder) });
  if (isDryRun || found === undefined) {
    return found;
  }
  return changeMachine(context, path.basename(folder.path), 'free space', (machine) => discard(context, machine));
}

async function discardable(known: Known): Promise<FreedMachine | undefined> {
  const machine = await givingMachine(known);
  const trash = known.records.trash.map(({ checkpoint }) => checkpoint.name);
  const kept = keptStatesOf(machine).map(({ name }) => name);
  const freedBytes = new LayerUse(machine.tree).freedBy(discardableOf(machine)).leastBytes;
  return trash.length + kept.length === 0 ? undefined : { machine: machine.name, trash, kept, freedBytes };
}

async function discard(context: EngineContext, machine: OpenMachine): Promise<FreedMachine> {
  const { folder, records } = machine;
  const name = records.definition.name;
  const kept = keptStatesOf(await givingMachine(machine));
  const ids = new Set(kept.map(({ id }) => id));
  const doomed = records.checkpoints.filter(({ id }) => ids.has(id));
  let freedBytes = doomed.length === 0 ? 0 : await deletePastTrash(context, machine, doomed);
  const after = await readMachine(folder);
  // What was left to the next engine has its journal there, and another one would take its place.
  if (after.trash.length > 0 && (await folder.readJournal()) === undefined) {
    freedBytes += await discardTrash(context, { ...machine, records: after }, after.trash);
  }
  context.log.info(`The trash and the kept states of ${folder.path} were discarded: ${freedBytes} bytes.`);
  const trash = records.trash.map(({ checkpoint }) => checkpoint.name);
  return { machine: name, trash, kept: kept.map((one) => one.name), freedBytes };
}
