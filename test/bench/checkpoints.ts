import { build } from '../support/set-up.ts';
import { checkpointsRows } from './checkpoints/rows.ts';
import { benchRows } from './disks.ts';

/** Runs the checkpoint service's rows through the built engine, in the way of {@link benchRows}. */
export async function benchCheckpoints(words: readonly string[]): Promise<void> {
  await build();
  await benchRows(checkpointsRows, words);
}
