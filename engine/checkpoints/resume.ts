import { CheckpointError } from '../model/checkpoint-error.ts';
import { formatSize } from '../model/size.ts';
import { LayerFiles } from '../store/layer-files.ts';
import { volumeOf } from '../store/volume.ts';
import type { OpenMachine } from './locked-machine.ts';

/** With less a guest that stands still for want of space would do so again at once. */
const leastBytes = 4 * 2 ** 20;

/**
 * A guest that stands still because a disk could not be written would try again, and fail again.
 * @throws NotEnoughSpace when the volume is still full
 */
export async function requireRoomToGoOn({ folder, records, presence }: OpenMachine): Promise<void> {
  if (presence.state !== 'paused' || presence.problem === undefined) {
    return;
  }
  const { definition, now } = records;
  const files = new LayerFiles(folder, definition, now.activeLayers);
  for (const place of new Set(files.disks.map((disk) => files.folderOf(disk)))) {
    const { freeBytes } = await volumeOf(place);
    if (freeBytes < leastBytes) {
      throw new CheckpointError(
        'NotEnoughSpace',
        `The volume of ${place} is still full (${formatSize(freeBytes)} free), so “${definition.name}” would stand still again at once. Free space (ckpt free-space), then resume it.`,
        { path: place, machine: definition.name },
      );
    }
  }
}
