import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { systemCode } from '../model/checkpoint-error.ts';

const reserveBytes = 256 * 1024;

/** Keeps space for what has to be written even on a full volume: to delete something. */
export async function keepReserve(machineFolder: string): Promise<void> {
  const file = reserveOf(machineFolder);
  if (existsSync(file)) {
    return;
  }
  try {
    await writeFile(file, Buffer.alloc(reserveBytes, 0xff), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    // Half a reserve is none: the space is needed for other things.
    if (systemCode(error) !== 'EEXIST') {
      await spendReserve(machineFolder);
    }
  }
}

export async function spendReserve(machineFolder: string): Promise<void> {
  await rm(reserveOf(machineFolder), { force: true }).catch(() => undefined);
}

function reserveOf(machineFolder: string): string {
  return path.join(machineFolder, 'reserve');
}
