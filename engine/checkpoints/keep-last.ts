import { supersededBy } from '../model/superseded.ts';
import { say, sayError } from '../model/sayings.ts';
import type { Sentence } from '../protocol/sentences.ts';
import { deleteCheckpoints } from './delete.ts';
import type { EngineContext } from './engine-context.ts';
import { changeMachine } from './open-machine.ts';

/**
 * Moves to the trash what a checkpoint of the same name has replaced.
 * @returns why the others are still there; undefined when they are not. The new checkpoint is there in any case
 */
export async function keepLast(
  context: EngineContext,
  machine: string,
  taken: string,
  count: number,
): Promise<Sentence | undefined> {
  try {
    await changeMachine(context, machine, 'delete', async (open) => {
      const superseded = supersededBy(open.records.checkpoints, taken, count);
      if (superseded.length > 0) {
        await deleteCheckpoints(context, open, superseded);
      }
    });
    return undefined;
  } catch (error) {
    return say('olderStay', { reason: sayError(error) });
  }
}
