import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import type { EngineContext } from './engine-context.ts';
import { machineFolders } from './machine-folders.ts';

/** Folders that an exported machine's files lie in, and nothing else of it is read. */
export const partsOf = {
  layers: 'layers/',
  memory: 'memory/',
  boot: 'boot/',
  firmware: 'firmware/',
  checkpoints: 'checkpoints/',
} as const;

/** @throws InvalidArgument for a machine of this home, MachineDamaged for what no export is */
export async function requireExportedFolder(context: EngineContext, place: string): Promise<void> {
  const own = [context.home.machines, ...(await machineFolders(context)).map((folder) => folder.path)];
  const ways = own.map((one) => path.relative(one, place));
  if (ways.some((way) => way === '' || !(way.startsWith('..') || path.isAbsolute(way)))) {
    throw new CheckpointError(
      'InvalidArgument',
      `${place} is where machines are. Make another one of it by a clone (ckpt clone).`,
      {
        path: place,
      },
    );
  }
  await requireFolders(place, ['', ...Object.keys(partsOf)]);
}

/** Sees that nothing which is copied lies behind a link. @param inner folders in an exported machine's */
export async function requireFolders(place: string, inner: readonly string[]): Promise<void> {
  for (const folder of inner.map((one) => path.join(place, one))) {
    const found = await lstat(folder).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') {
        return undefined;
      }
      throw error;
    });
    if (found === undefined ? folder === place : !found.isDirectory()) {
      throw notExported(place, `${folder} is not a folder`);
    }
  }
}

/** @throws MachineDamaged for a file that does not lie in that part itself */
export function requireIn(place: string, part: string, files: readonly string[]): void {
  const stray = files.find((file) => !file.startsWith(part) || file.slice(part.length).includes('/'));
  if (stray !== undefined) {
    throw notExported(place, `it names the file ${stray}, which does not lie in ${part}`);
  }
}

export function notExported(place: string, problem: string): CheckpointError {
  return new CheckpointError(
    'MachineDamaged',
    `${place} is not an exported machine: ${problem}. Export the machine again (ckpt export MACHINE FOLDER), or make a machine of one disk (ckpt create-machine NAME --disk FILE).`,
    { path: place, problem },
  );
}
