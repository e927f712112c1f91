import { MachineFolder } from '../store/machine-folder.ts';
import { machinePlaces, placeNamed } from '../store/moved-machines.ts';
import type { EngineContext } from './engine-context.ts';

/** Folders of all machines, by name, wherever they lie. */
export async function machineFolders({ home }: Pick<EngineContext, 'home'>): Promise<MachineFolder[]> {
  return machinePlaces(home).map((place) => new MachineFolder(place.path, place));
}

/** The folder of a machine of that name. */
export function machineFolderNamed({ home }: Pick<EngineContext, 'home'>, name: string): MachineFolder {
  return new MachineFolder(placeNamed(home, name));
}
