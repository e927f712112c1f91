import { stat } from 'node:fs/promises';
import type { Checkpoint } from '../model/checkpoint.ts';
import { toWireError } from '../model/checkpoint-error.ts';
import { fileBytesOf, type SavedMemory } from '../model/saved-memory.ts';
import type { Finding } from '../protocol/doctor.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { hashOfMemory } from '../store/memory-hash.ts';
import { PackedFileDamaged } from '../store/packed-file.ts';
import type { Call } from './engine-context.ts';
import { breaking, finding } from './findings.ts';

/**
 * Looks at the saved memory of a checkpoint.
 * @param isDeep its content is read, too
 */
export async function examineMemory(
  folder: MachineFolder,
  { id, name, memory }: Pick<Checkpoint, 'id' | 'name' | 'memory'>,
  isDeep: boolean,
  call: Call,
): Promise<Finding[]> {
  if (memory === undefined) {
    return [];
  }
  const file = folder.inner(memory.file);
  const fault = (await faultOfFile(file, memory)) ?? (isDeep ? await faultOfContent(file, memory, call) : undefined);
  return fault === undefined
    ? []
    : [
        breaking(
          [id],
          finding(
            'memory',
            'error',
            file,
            `The saved memory ${file} of “${name}” ${fault}.`,
            'Applying it would not bring its processes back.',
            'Restore that file from a backup, or apply the checkpoint with disks only.',
          ),
        ),
      ];
}

async function faultOfFile(file: string, memory: SavedMemory): Promise<string | undefined> {
  const [found, expected] = [await stat(file).catch(() => undefined), fileBytesOf(memory)];
  if (found?.size === expected) {
    return undefined;
  }
  return found === undefined ? 'is missing' : `has ${found.size} bytes and had ${expected}`;
}

async function faultOfContent(file: string, memory: SavedMemory, { signal }: Call): Promise<string | undefined> {
  try {
    const hash = await hashOfMemory(file, memory, signal);
    return memory.sha256 === undefined || hash === memory.sha256 ? undefined : 'has changed since it was saved';
  } catch (error) {
    signal?.throwIfAborted();
    return error instanceof PackedFileDamaged
      ? 'has changed since it was saved'
      : `cannot be read (${toWireError(error).message})`;
  }
}
