import { isAbort, toWireError } from '../model/checkpoint-error.ts';
import type { ChangeOutcome, PastChange } from '../protocol/history.ts';
import { noteChange } from '../store/history.ts';
import { recoverOperation } from '../store/lock-wanted.ts';
import type { EngineContext } from './engine-context.ts';
import type { OpenMachine } from './locked-machine.ts';

/** What a lock is held for, but changes nothing. */
const looks: ReadonlySet<string> = new Set([recoverOperation, 'look at a guard']);

/** Runs a change of machines, and notes for each how it ended. */
export async function withHistory<T>(
  { face }: EngineContext,
  machines: readonly OpenMachine[],
  operation: string,
  change: () => Promise<T>,
): Promise<T> {
  if (looks.has(operation)) {
    return change();
  }
  const at = new Date().toISOString();
  const started = performance.now();
  const note = async (outcome: ChangeOutcome, error?: PastChange['error']): Promise<void> => {
    const durationMs = Math.round(performance.now() - started);
    for (const { folder, about } of machines) {
      await noteChange(folder.path, {
        at,
        operation,
        face,
        outcome,
        durationMs,
        ...(about.length === 0 ? {} : { about }),
        ...(error === undefined ? {} : { error }),
      });
    }
  };
  let value: T;
  try {
    value = await change();
  } catch (error) {
    const { code, message } = toWireError(error);
    if (isAbort(error) || code === 'Cancelled') {
      await note('cancelled');
    } else if (code !== 'NotEnoughSpace') {
      // What is refused for want of space writes nothing.
      await note('failed', { code, message });
    }
    throw error;
  }
  await note('done');
  return value;
}
