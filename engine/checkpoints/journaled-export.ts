import { rm } from 'node:fs/promises';
import { toWireError } from '../model/checkpoint-error.ts';
import type { JournalRecord } from '../store/records.ts';
import { twice } from './carry-out.ts';
import type { EngineContext } from './engine-context.ts';
import type { OpenMachine } from './locked-machine.ts';
import { makeFolder, partialOf, type MadeFolder, type NewFolder } from './new-folder.ts';

/**
 * Makes a folder of what a machine has, as {@link makeFolder}. The machine's journal names what lies beside its place until
 * it is whole, so that the next engine takes away what one that died left there.
 * @throws what {@link makeFolder} throws
 */
export async function makeExport(
  context: EngineContext,
  { folder, records, presence }: OpenMachine,
  target: NewFolder,
  make: (staging: string) => Promise<string[]>,
): Promise<MadeFolder> {
  const isUp = presence.state !== 'stopped';
  const journal: Omit<JournalRecord, 'version'> = {
    operation: 'export',
    started: new Date().toISOString(),
    after: records.now,
    reusesLayers: false,
    wasRunning: isUp,
    runsAfterwards: isUp,
    releasedLayers: [],
    partialFolder: partialOf(target),
  };
  try {
    await twice(folder, () => folder.writeJournal(journal));
    return await makeFolder(target, make);
  } finally {
    // Should either fail, the next engine does it.
    await rm(partialOf(target), { recursive: true, force: true })
      .then(() => folder.clearJournal('in passing'))
      .catch((error: unknown) =>
        context.log.error(`Machine ${folder.path}: the end of an export is left to the next engine: ${String(error)}`),
      );
  }
}

/**
 * Takes away what an export left that was interrupted. Where that cannot be, as on a volume that is not there any more, it
 * is no reason to leave the machine as it is.
 */
export async function undoExport(
  { log }: Pick<EngineContext, 'log'>,
  { partialFolder }: Pick<JournalRecord, 'partialFolder'>,
): Promise<void> {
  if (partialFolder !== undefined) {
    await rm(partialFolder, { recursive: true, force: true }).catch((error: unknown) =>
      log.error(`What an interrupted export left stays, at ${partialFolder}: ${toWireError(error).message}`),
    );
  }
}
