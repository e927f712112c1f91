import { CheckpointError } from '../model/checkpoint-error.ts';
import { withoutMemory, type Now } from '../model/machine.ts';
import { fileBytesOf, type SavedMemory } from '../model/saved-memory.ts';
import { syncFolder } from '../store/atomic-file.ts';
import { oweWelcome } from '../store/owed-welcome.ts';
import type { JournalRecord } from '../store/records.ts';
import { carryOut, orLeft } from './carry-out.ts';
import { hostOf, type Call, type EngineContext } from './engine-context.ts';
import { presentMachine } from './firmware-copy.ts';
import type { OpenMachine } from './locked-machine.ts';
import { executeDiscard } from './recover-life.ts';
import { finishOrLeave, undoFailed } from './recover.ts';
import { newMemoryFile } from './share-memory.ts';
import { needsOfMemory, requireSpaceFor } from './space-check.ts';

/**
 * Saves the memory of a machine that is up, and turns it off. Until that is whole the machine is what it was; a failure
 * lets its guest run on.
 * @throws NotEnoughSpace, QemuFailed, QmpTimeout
 */
export async function saveState(context: EngineContext, machine: OpenMachine, call: Call): Promise<SavedMemory> {
  const { folder, records, presence } = machine;
  const { definition, now } = records;
  const host = hostOf(context, definition);
  const memoryFile = newMemoryFile();
  await requireSpaceFor(context, `Saving “${definition.name}”`, needsOfMemory(machine, memoryFile), machine);
  call.signal?.throwIfAborted();
  await folder.writeJournal({
    operation: 'save',
    started: new Date().toISOString(),
    after: now,
    reusesLayers: false,
    wasRunning: presence.state === 'running',
    runsAfterwards: false,
    memoryFile,
    releasedLayers: [],
  });
  let memory: SavedMemory | undefined;
  try {
    call.report?.(`Saving the memory of “${definition.name}”`);
    const held = await host.hold(presentMachine(folder, definition, now), memoryFile, call.signal);
    if (held === undefined) {
      throw new CheckpointError('QemuFailed', `The memory of “${definition.name}” was not saved.`, {});
    }
    memory = { ...held, wasSaved: true };
    await syncFolder(folder.inner('memory'));
    await folder.writeNow({ ...now, memory });
  } catch (error) {
    const isSaved = (found: Now): boolean => found.memory?.file === memoryFile;
    if (!(await undoFailed(context, folder, isSaved)) || memory === undefined) {
      throw error;
    }
    return memory;
  }
  await finishOrLeave(context, folder, () => host.powerOff(folder));
  return memory;
}

/**
 * Starts a machine: from what was saved, if it is saved, and else from its disks. What was saved is there until its guest
 * may run.
 * @throws MachineRunning, MemoryNotCompatible, and what `Host.start` throws
 */
export async function startMachine(context: EngineContext, machine: OpenMachine, call: Call): Promise<void> {
  const { folder, records, presence } = machine;
  const { definition, now } = records;
  if (presence.state !== 'stopped') {
    throw new CheckpointError('MachineRunning', `Machine “${definition.name}” is already ${presence.state}.`, {
      machine: definition.name,
      state: presence.state,
    });
  }
  const host = hostOf(context, definition);
  const present = presentMachine(folder, definition, now);
  if (now.memory === undefined) {
    call.report?.(`Starting “${definition.name}”`);
    // Whoever dies here may leave a process whose guest was never told to run: the next engine tells it.
    await folder.writeJournal({ ...startJournal(now), runsAfterwards: true });
    try {
      await host.start(present, call.signal);
    } catch (error) {
      await undoFailed(context, folder, () => false);
      throw error;
    }
    await finishOrLeave(context, folder, () => Promise.resolve());
    return;
  }
  call.report?.(`Resuming “${definition.name}” from its saved state`);
  const { memory } = now;
  await orDiscard(definition.name, () => host.checkMemory(definition, memory));
  await folder.writeJournal({ ...startJournal(now), runsAfterwards: !memory.wasPaused, resumes: memory });
  try {
    await orDiscard(definition.name, () => host.prepareSuccessor(present, memory, call.signal));
    await folder.writeNow(withoutMemory(now));
  } catch (error) {
    if (!(await undoFailed(context, folder, (found) => found.memory === undefined))) {
      throw error;
    }
    return;
  }
  await finishOrLeave(context, folder, async () => {
    await host.settle(present, 'exchange', !memory.wasPaused);
    await oweWelcome(folder);
    await folder.removeFile(folder.inner(memory.file));
  });
}

function startJournal(now: Now): Omit<JournalRecord, 'version' | 'runsAfterwards'> {
  return {
    operation: 'start',
    started: new Date().toISOString(),
    after: withoutMemory(now),
    reusesLayers: false,
    wasRunning: false,
    releasedLayers: [],
  };
}

/** Memory that cannot be resumed stays, until somebody gives it up who knows. */
async function orDiscard(machine: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof CheckpointError) || error.code !== 'MemoryNotCompatible') {
      throw error;
    }
    const facts = error.message.replace(/ Nothing was changed\..*$| Apply the checkpoint.*$/s, '');
    throw new CheckpointError(
      error.code,
      `${facts} The saved state of “${machine}” is kept. To start it from its disks, as after a power failure, discard that first (ckpt discard-state).`,
      { ...error.data, waysOut: ['discardState'] },
      { cause: error },
    );
  }
}

/** Gives up what was saved. @returns bytes of the volume that this freed @throws MachineNotSaved */
export async function discardState(context: EngineContext, machine: OpenMachine): Promise<number> {
  const { folder, records } = machine;
  const { definition, now } = records;
  const { memory } = now;
  if (memory === undefined) {
    throw new CheckpointError(
      'MachineNotSaved',
      `Machine “${definition.name}” is not saved, so there is nothing to discard.`,
      { machine: definition.name },
    );
  }
  const journal = {
    operation: 'discard-state' as const,
    started: new Date().toISOString(),
    after: withoutMemory(now),
    reusesLayers: false,
    wasRunning: false,
    runsAfterwards: false,
    releasedMemoryFile: memory.file,
    releasedLayers: [],
  };
  return orLeft(context, fileBytesOf(memory), () =>
    carryOut(
      folder,
      journal,
      async () => executeDiscard(folder, await folder.read(), journal),
      () => folder.writeNow(now),
    ),
  );
}
