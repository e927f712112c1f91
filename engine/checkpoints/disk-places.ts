import path from 'node:path';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { MachineDefinition } from '../model/machine.ts';
import type { EngineContext } from './engine-context.ts';

/** True for a machine whose disks lie where another program looks for them. */
export function isPlaced({ disks }: MachineDefinition): boolean {
  return disks.some(({ place }) => place !== undefined);
}

/** File names of the places of a machine's disks, by disk; those of two disks differ, whatever the case. */
export function placeNames({ disks }: MachineDefinition): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const { id, place } of disks) {
    if (place !== undefined) {
      const own = path.basename(place);
      const name = taken.has(own.toLowerCase()) ? `${id}-${own}` : own;
      taken.add(name.toLowerCase());
      names.set(id, name);
    }
  }
  return names;
}

/** The same machine with its disks at these places; at none where there is no name. */
export function placedAt(
  definition: MachineDefinition,
  names: ReadonlyMap<string, string>,
  folder: string,
): MachineDefinition {
  return {
    ...definition,
    disks: definition.disks.map(({ place: _, ...disk }) => {
      const name = names.get(disk.id);
      return name === undefined ? disk : { ...disk, place: path.join(folder, name) };
    }),
  };
}

/**
 * The folder to make for the disks of a new machine. That is for the user to say: another program has to find them there.
 * @param verb how to ask for it, such as `ckpt clone box NAME`
 * @returns undefined for a machine that has its disks in its own folder
 * @throws InvalidArgument
 */
export function disksFolderOf(
  context: EngineContext,
  definition: MachineDefinition,
  wanted: string | undefined,
  verb: string,
): string | undefined {
  const { name } = definition;
  if (definition.host !== 'disks') {
    if (wanted !== undefined) {
      throw new CheckpointError(
        'InvalidArgument',
        `The disks of “${name}” lie in the machine's own folder. Leave --folder out.`,
        { machine: name },
      );
    }
    return undefined;
  }
  if (wanted === undefined) {
    throw new CheckpointError(
      'InvalidArgument',
      `The disks of “${name}” are for another program. Say in which new folder those of the new machine are to lie (${verb} --folder DIR).`,
      { machine: name, missing: 'disksFolder' },
    );
  }
  const folder = path.resolve(wanted);
  const way = path.relative(context.home.machines, folder);
  if (way === '' || !(way.startsWith('..') || path.isAbsolute(way))) {
    throw new CheckpointError(
      'InvalidArgument',
      `${folder} lies where machines are kept. Choose a folder of the other program for the disks: --folder DIR.`,
      { path: folder },
    );
  }
  return folder;
}
