import { randomUUID } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { requireFree } from '../disks/new-file.ts';
import { syncFolder, writeRecord } from '../store/atomic-file.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { recordVersion } from '../store/records.ts';
import type { EngineContext } from './engine-context.ts';
import { outsideFile, type OutsideRecord } from './outside-record.ts';
import { makeMachine } from './staging.ts';

/**
 * Makes a machine with a new folder outside of its own, for another program. Both are there in the end, or neither.
 * @param make fills both; what it puts outside goes to `staging`, which gets its name afterwards
 * @throws NameInUse
 */
export async function makeMachineWithFolder(
  context: EngineContext,
  name: string,
  folder: string,
  make: (made: MachineFolder, staging: string) => Promise<void>,
): Promise<void> {
  await requireFree(folder);
  const parent = path.dirname(folder);
  const staging = path.join(parent, `.${path.basename(folder)}.${randomUUID().slice(0, 8)}.partial`);
  await makeMachine(context, name, async (made) => {
    const record: OutsideRecord = { version: recordVersion, folder, staging };
    await writeRecord(made.inner(outsideFile), record);
    await mkdir(parent, { recursive: true });
    await mkdir(staging, { mode: 0o700 });
    await make(made, staging);
    await chmod(staging, 0o755);
    const { dev, ino } = await lstat(staging, { bigint: true });
    const files = await readdir(staging);
    const known = { device: String(dev), inode: String(ino), files };
    await writeRecord(made.inner(outsideFile), { ...record, made: known });
    await syncFolder(staging);
    await requireFree(folder);
    await rename(staging, folder);
    await syncFolder(parent);
  });
  await rm(path.join(context.home.machines, name, outsideFile), { force: true }).catch((error: unknown) =>
    context.log.error(`${outsideFile} of ${name} could not be removed: ${String(error)}`),
  );
}
