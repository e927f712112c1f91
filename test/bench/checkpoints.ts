import { build } from '../support/set-up.ts';
import { installIfPossible, libvirtPrograms } from '../support/system-programs.ts';
import { benchRows } from './disks.ts';

/** Runs the checkpoint service's rows through the built engine, in the way of {@link benchRows}. */
export async function benchCheckpoints(words: readonly string[]): Promise<void> {
  await build();
  await installIfPossible(libvirtPrograms, console.log);
  // Its rows are called by the peers that they find installed.
  const { checkpointsRows } = await import('./checkpoints/rows.ts');
  await benchRows(checkpointsRows, words);
}
