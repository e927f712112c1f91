import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { Checkpoint } from '../../../engine/model/checkpoint.ts';
import type { MachineFolder } from '../../../engine/store/machine-folder.ts';

/** Gives a checkpoint saved memory that was never any guest's, and that no QEMU here would resume. */
export async function giveMemoryTo(
  folder: MachineFolder,
  checkpoint: Checkpoint,
  content: Buffer,
  created = checkpoint.created,
): Promise<void> {
  const file = `memory/${checkpoint.id}.state`;
  await writeFile(folder.inner(file), content, { mode: 0o600 });
  await folder.writeCheckpoint({
    ...checkpoint,
    created,
    memory: {
      file,
      sizeBytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
      wasPaused: false,
      hypervisor: { version: '7.2', accelerator: 'tcg', guestArguments: [] },
    },
  });
}
