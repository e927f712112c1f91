import { isDeepStrictEqual } from 'node:util';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { MachineDefinition } from '../model/machine.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import type { EngineContext } from './engine-context.ts';

/**
 * Writes the one record that a change consists of. Once it has its place the change has happened, even where it could not be
 * confirmed that it outlives a power failure: then the log says so.
 */
export async function changeRecord(
  { log }: Pick<EngineContext, 'log'>,
  write: () => Promise<void>,
  isWritten: () => Promise<boolean>,
): Promise<void> {
  try {
    await write().catch(write);
  } catch (error) {
    if (!(await isWritten().catch(() => false))) {
      throw error;
    }
    log.error(`A change has happened, but may be lost when the power fails now: ${String(error)}`);
  }
}

export async function changeCheckpoint(
  context: Pick<EngineContext, 'log'>,
  folder: MachineFolder,
  changed: Checkpoint,
): Promise<void> {
  await changeRecord(
    context,
    () => folder.writeCheckpoint(changed),
    async () => {
      const { checkpoints } = await folder.read();
      return checkpoints.some((one) => isDeepStrictEqual(one, changed));
    },
  );
}

export async function changeDefinition(
  context: Pick<EngineContext, 'log'>,
  folder: MachineFolder,
  changed: MachineDefinition,
): Promise<void> {
  await changeRecord(
    context,
    () => folder.writeDefinition(changed),
    async () => isDeepStrictEqual((await folder.read()).definition, changed),
  );
}
