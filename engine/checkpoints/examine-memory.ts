import { stat } from 'node:fs/promises';
import type { Checkpoint } from '../model/checkpoint.ts';
import { fileBytesOf, type SavedMemory } from '../model/saved-memory.ts';
import { say, sayError } from '../model/sayings.ts';
import type { Finding } from '../protocol/doctor.ts';
import type { Sentence } from '../protocol/sentences.ts';
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
  const of = { path: file, checkpoint: name };
  const fault = (await faultOfFile(of, memory)) ?? (isDeep ? await faultOfContent(of, memory, call) : undefined);
  return fault === undefined
    ? []
    : [breaking([id], finding('memory', 'error', file, fault, say('processesAreLost'), say('restoreOrDisksOnly')))];
}

type Place = Readonly<Record<'path' | 'checkpoint', string>>;

async function faultOfFile(of: Place, memory: SavedMemory): Promise<Sentence | undefined> {
  const [found, expected] = [await stat(of.path).catch(() => undefined), fileBytesOf(memory)];
  if (found?.size === expected) {
    return undefined;
  }
  return found === undefined
    ? say('memoryMissing', of)
    : say('memoryOfOtherSize', { ...of, found: found.size, expected });
}

async function faultOfContent(of: Place, memory: SavedMemory, { signal }: Call): Promise<Sentence | undefined> {
  try {
    const hash = await hashOfMemory(of.path, memory, signal);
    return memory.sha256 === undefined || hash === memory.sha256 ? undefined : say('memoryChanged', of);
  } catch (error) {
    signal?.throwIfAborted();
    return error instanceof PackedFileDamaged
      ? say('memoryChanged', of)
      : say('memoryUnreadable', { ...of, reason: sayError(error) });
  }
}
