import { copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { merge } from '../../../engine/disks/operations/merge.ts';
import { runProgram } from '../../support/project.ts';
import { makeLayers } from './made-disks.ts';
import { timed, timesFaster, type BenchRow } from './row.ts';

/** A child's data into its parent, synced; and `qemu-img commit` of the same data in qcow2, which syncs too. */
export const mergeRows: readonly BenchRow[] = (['qcow2', 'vhdx', 'vhd'] as const).flatMap((format) =>
  [true, false].map((isFilled) => ({
    name: `merge into ${isFilled ? 'an allocated' : 'an empty'} parent: ${format}`,
    ...timesFaster(1.5),
    async prepare(folder: string) {
      const places = [path.join(folder, 'ours'), path.join(folder, 'peer')] as const;
      await Promise.all(places.map((place) => mkdir(place)));
      const [parent, child] = await makeLayers(places[0], format, isFilled);
      const [peerParent, peerChild] = await makeLayers(places[1], 'qcow2', isFilled);
      // An allocated parent stays one; an empty one has to become empty again.
      const restore = async (file: string): Promise<void> => {
        if (!isFilled) {
          await copyFile(`${file}.before`, file);
        }
      };
      if (!isFilled) {
        await copyFile(parent, `${parent}.before`);
        await copyFile(peerParent, `${peerParent}.before`);
      }
      return {
        async before() {
          await restore(parent);
          await restore(peerParent);
        },
        ours: () => timed(() => merge(child, { into: 'ancestor' })),
        peer: () => timed(() => runProgram('qemu-img', ['commit', '-q', '-d', peerChild])),
      };
    },
  })),
);
