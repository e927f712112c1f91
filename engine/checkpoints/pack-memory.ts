import { stat } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { CheckpointError, isAbort, toWireError } from '../model/checkpoint-error.ts';
import { mostPackedShare, packableCheckpoints, type WithMemory } from '../model/packable-memory.ts';
import type { SavedMemory } from '../model/saved-memory.ts';
import type { Params } from '../protocol/operations.ts';
import { syncFolder } from '../store/atomic-file.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { hashOfMemory } from '../store/memory-hash.ts';
import { packFile } from '../store/packed-file.ts';
import type { JournalRecord } from '../store/records.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { inRounds, InterruptibleWork, type RoundEnd } from './giving-way.ts';
import type { OpenMachine } from './locked-machine.ts';
import { changeCheckpoint } from './one-record.ts';
import { endPacking } from './recover-pack.ts';
import { finishOrLeave, undoFailed } from './recover.ts';
import { packedEnding } from './share-memory.ts';
import { requireSpaceFor } from './space-check.ts';

export interface PackedMemory {
  /** How many checkpoints. */
  packed: number;
  freedBytes: number;
  problem?: string;
}

export type PackOptions = Omit<Params<'packMemory'>, 'machine'>;

const hourMs = 60 * 60 * 1000;

const packingMemory = 'Packing saved memory';

/** Memory that is to be packed; not one whose file others have, too, of which nothing would be freed. */
export async function packableOf(
  folder: MachineFolder,
  { checkpoints, now }: MachineRecords,
  { olderThanHours }: PackOptions,
): Promise<WithMemory[]> {
  const takenBefore = olderThanHours === undefined ? undefined : new Date(Date.now() - olderThanHours * hourMs);
  const packable = packableCheckpoints(checkpoints, now, takenBefore);
  const links = await Promise.all(packable.map(async ({ memory }) => linksOf(folder.inner(memory.file))));
  return packable.filter((_, at) => links[at] === 1);
}

async function linksOf(file: string): Promise<number | undefined> {
  return stat(file).then(
    ({ nlink }) => nlink,
    () => undefined,
  );
}

/**
 * Packs the memory of a machine's checkpoints, one after the other. Whoever else wants to change the machine is given way to,
 * and what had to be interrupted for that is begun again afterwards.
 * @param reference of the machine
 * @throws MachineNotFound, MachineDamaged, NotEnoughSpace; Locked when others do not let go of it; the signal's reason
 */
export async function packMemory(
  context: EngineContext,
  reference: string,
  options: PackOptions,
  call: Call,
): Promise<PackedMemory> {
  const done: PackedMemory = { packed: 0, freedBytes: 0 };
  const failed = new Set<string>();
  const round = async (machine: OpenMachine): Promise<RoundEnd> => {
    call.signal?.throwIfAborted();
    const { folder, records } = machine;
    const packable = await packableOf(folder, records, options);
    const [checkpoint, ...others] = packable.filter(({ id }) => !failed.has(id));
    if (checkpoint === undefined) {
      return { next: 'end' };
    }
    machine.about.push(checkpoint.name);
    const work = await InterruptibleWork.begin(folder.lock, packingMemory, call);
    try {
      const freedBytes = await packOne(context, machine, checkpoint, work);
      done.packed += freedBytes === undefined ? 0 : 1;
      done.freedBytes += freedBytes ?? 0;
    } catch (error) {
      const interruption = await work.interruption();
      if (interruption !== undefined) {
        return interruption;
      }
      if (isAbort(error) || toWireError(error).code !== 'MemoryNotCompatible') {
        throw error;
      }
      // What is wrong with one is no reason to leave the others.
      failed.add(checkpoint.id);
      done.problem ??= toWireError(error).message;
    }
    return { next: others.length === 0 ? 'end' : 'on' };
  };
  try {
    await inRounds(context, reference, { operation: 'pack', what: packingMemory }, round, call);
  } catch (error) {
    if (done.packed === 0 || isAbort(error)) {
      throw error;
    }
    // What has been packed is packed.
    done.problem ??= toWireError(error).message;
  }
  return done;
}

/** @returns bytes of the volume that this freed; undefined when it stays as it is, which is on record then */
async function packOne(
  context: EngineContext,
  machine: OpenMachine,
  checkpoint: WithMemory,
  work: InterruptibleWork,
): Promise<number | undefined> {
  const { folder, records } = machine;
  const { memory } = checkpoint;
  const mostBytes = Math.floor(memory.sizeBytes * mostPackedShare);
  const needs = [{ folder: folder.path, bytes: mostBytes }];
  await requireSpaceFor(context, `Packing the memory of “${checkpoint.name}”`, needs, machine);
  const packedName = `${memory.file}${packedEnding}`;
  const journal: Omit<JournalRecord, 'version'> = {
    operation: 'pack',
    started: new Date().toISOString(),
    checkpoint: checkpoint.id,
    after: records.now,
    reusesLayers: false,
    wasRunning: false,
    runsAfterwards: false,
    memoryFile: packedName,
    releasedMemoryFile: memory.file,
    releasedLayers: [],
  };
  const before = await stat(folder.inner(memory.file));
  let changed: SavedMemory | undefined;
  let isNamed = false;
  try {
    await folder.writeJournal(journal);
    changed = await packed(folder, memory, packedName, mostBytes, work);
    await changeCheckpoint(context, folder, { ...checkpoint, memory: changed });
    isNamed = true;
  } catch (error) {
    await undoFailed(context, folder, () => false);
    if (!(await isWritten(folder, checkpoint.id, changed))) {
      throw error;
    }
  }
  if (isNamed) {
    await finishOrLeave(context, folder, async () => {
      await endPacking(folder, await folder.read(), { version: 1, ...journal });
    });
  }
  const { packedBytes } = changed ?? {};
  return packedBytes === undefined ? undefined : Math.max(0, before.blocks * 512 - packedBytes);
}

async function isWritten(folder: MachineFolder, id: string, memory: SavedMemory | undefined): Promise<boolean> {
  const { checkpoints } = await folder.read();
  return memory !== undefined && checkpoints.some((one) => one.id === id && isDeepStrictEqual(one.memory, memory));
}

/** @returns the memory as it is on record once its new file is used */
async function packed(
  folder: MachineFolder,
  memory: SavedMemory,
  file: string,
  mostBytes: number,
  { signal, onBytes }: InterruptibleWork,
): Promise<SavedMemory> {
  const [from, to] = [folder.inner(memory.file), folder.inner(file)];
  const { sizeBytes } = memory;
  const made = await packFile(from, to, { mostBytes, signal, onBytes: (bytes) => onBytes(bytes, 2 * sizeBytes) });
  if (made === undefined) {
    await folder.removeFile(to);
    return { ...memory, isPackable: false };
  }
  if (memory.sha256 !== undefined && made.sha256 !== memory.sha256) {
    throw new CheckpointError(
      'MemoryNotCompatible',
      `The memory file ${from} has changed since it was saved, so it was left as it is.`,
      { path: from, expected: memory.sha256, found: made.sha256 },
    );
  }
  const found = await hashOfMemory(to, { sizeBytes, packedBytes: made.packedBytes }, signal, (bytes) =>
    onBytes(sizeBytes + bytes, 2 * sizeBytes),
  );
  if (found !== made.sha256) {
    throw new Error(`${to} does not hold what was packed.`);
  }
  await syncFolder(path.dirname(to));
  return { ...memory, file, sha256: made.sha256, packedBytes: made.packedBytes };
}
