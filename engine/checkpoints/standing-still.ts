import path from 'node:path';
import { beginStandIn } from '../store/stand-in.ts';
import type { EngineContext } from './engine-context.ts';
import type { OpenMachine } from './locked-machine.ts';

/** In the middle of these a guest stands still, or its writes wait: should the engine die there, somebody has to let it go on. */
const stopsGuests: ReadonlySet<string> = new Set([
  'take',
  'apply',
  'undo',
  'redo',
  'save',
  'merge',
  'take a group',
  'apply a group',
]);

/** Of a machine that does not run yet. */
const beginsGuests = 'start';

/**
 * Runs a change of machines that are locked, with another process standing by that ends it should this one die: as the next
 * access would, at once.
 */
export async function whileStoodIn<T>(
  { standIn: program, home, log }: EngineContext,
  machines: readonly OpenMachine[],
  operation: string,
  change: () => Promise<T>,
): Promise<T> {
  const isUp = machines.some(({ presence }) => presence.state !== 'stopped');
  if (program === undefined || !(operation === beginsGuests || (isUp && stopsGuests.has(operation)))) {
    return change();
  }
  const names = machines.map(({ folder }) => path.basename(folder.path));
  const standIn = beginStandIn(program, names, home.root, (error) => log.error(`Nobody stands in: ${error.message}`));
  try {
    return await change();
  } finally {
    standIn.dismiss();
  }
}
