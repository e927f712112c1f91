import { CheckpointError, systemCode, toWireError } from '../model/checkpoint-error.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import type { JournalRecord } from '../store/records.ts';
import { spendReserve } from '../store/space-reserve.ts';
import type { EngineContext } from './engine-context.ts';

/**
 * What was begun could neither be ended nor taken back: its journal is there, so that the next engine ends it. It is as good
 * as done, and no failure, for whoever asked for it.
 */
export class LeftToNextEngine extends CheckpointError {
  constructor(operation: string, cause: unknown) {
    const { code, message, data } = toWireError(cause);
    super(code, `The end of a ${operation} is left to the next engine: ${message}`, data, { cause });
  }
}

/**
 * Writes the journal and carries out what it says, each step of which is safe to repeat. A step that fails is tried once
 * more, on a full volume with the space that is kept in reserve for this.
 * @param takeBack makes everything as it was before the first step; absent when that cannot be
 * @throws the steps' error, when nothing has changed; {@link LeftToNextEngine}
 */
export async function carryOut<T>(
  folder: MachineFolder,
  journal: Omit<JournalRecord, 'version'>,
  steps: () => Promise<T>,
  takeBack?: () => Promise<void>,
): Promise<T> {
  // A merge into a child wrote it before its data moved: that one must not go.
  const isBegun = (await folder.readJournal()) !== undefined;
  try {
    await twice(folder, () => folder.writeJournal(journal));
  } catch (error) {
    // It may have its place all the same.
    throw !isBegun && (await isCleared(folder)) ? error : new LeftToNextEngine(journal.operation, error);
  }
  let result: T;
  try {
    result = await twice(folder, steps);
  } catch (error) {
    if (takeBack !== undefined && (await succeeds(takeBack)) && (await isCleared(folder))) {
      throw error;
    }
    throw new LeftToNextEngine(journal.operation, error);
  }
  // Left where it is, it does no harm: what it says has been done is done again.
  await folder.clearJournal().catch(() => undefined);
  return result;
}

/**
 * @param outcome of what was left to the next engine
 * @returns what the work gives
 * @throws what it throws, but for {@link LeftToNextEngine}
 */
export async function orLeft<T>({ log }: Pick<EngineContext, 'log'>, outcome: T, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LeftToNextEngine) {
      log.error(error.message);
      return outcome;
    }
    throw error;
  }
}

/** Tries once more, and then with the space in reserve when there was too little. */
export async function twice<T>(folder: MachineFolder, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (['ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '')) {
      await spendReserve(folder.path);
    }
    return act();
  }
}

async function isCleared(folder: MachineFolder): Promise<boolean> {
  await folder.clearJournal().catch(() => undefined);
  return folder.readJournal().then(
    (journal) => journal === undefined,
    () => false,
  );
}

async function succeeds(act: () => Promise<void>): Promise<boolean> {
  return act().then(
    () => true,
    () => false,
  );
}
