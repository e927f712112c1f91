import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { systemCode } from '../model/checkpoint-error.ts';
import { MachineFolder } from '../store/machine-folder.ts';
import type { EngineContext } from './engine-context.ts';

/** Folders of all machines, by name. */
export async function machineFolders(context: Pick<EngineContext, 'home'>): Promise<MachineFolder[]> {
  const { machines } = context.home;
  const entries = await readdir(machines, { withFileTypes: true }).catch((error: unknown) => {
    // A home that is not there yet has none.
    if (systemCode(error) === 'ENOENT') {
      return [];
    }
    throw error;
  });
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .sort()
    .map((name) => new MachineFolder(path.join(context.home.machines, name)));
}
