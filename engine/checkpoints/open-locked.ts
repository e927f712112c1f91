import { noteChange } from '../store/history.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { removeDrafts } from '../store/record-drafts.ts';
import { dropStaleClones } from './clone-records.ts';
import { endMove } from './end-move.ts';
import { hostOf, type EngineContext } from './engine-context.ts';
import { readMachine, type OpenMachine } from './locked-machine.ts';
import { recover } from './recover.ts';
import { noteRunning } from './running-times.ts';

/**
 * Reads a machine that the caller has locked, with anything interrupted finished or undone first.
 * @param machines all machines of the home
 * @throws MachineDamaged
 */
export async function openLocked(
  context: EngineContext,
  folder: MachineFolder,
  machines: () => Promise<MachineFolder[]>,
): Promise<OpenMachine> {
  await endMove(context, folder);
  await removeDrafts(folder.path);
  const ended = await recover(context, folder);
  if (ended !== undefined) {
    const { operation, started } = ended;
    await noteChange(folder.path, { at: started, operation, face: context.face, outcome: 'interrupted' });
  }
  await dropStaleClones(folder, machines);
  return lookAgain(context, folder);
}

/** A locked machine as it is after it was changed. */
export async function lookAgain(context: EngineContext, folder: MachineFolder): Promise<OpenMachine> {
  const records = await readMachine(folder);
  const presence = await hostOf(context, records.definition).look(folder);
  const ran = await noteRunning(context, folder, records, presence);
  return { folder, records, presence, runningSeconds: ran, about: [] };
}
