import path from 'node:path';
import { z } from 'zod';
import type { RunningTime } from '../model/running-time.ts';
import { readRecord, writeFileAtomically } from './atomic-file.ts';

/** Its name in a machine's `run` folder. */
export const runningTimeFile = 'running-time.json';

const runningTimeRecord = z.strictObject({
  version: z.literal(1),
  milliseconds: z.int().min(0),
  last: z
    .strictObject({ process: z.string().max(200), isRunning: z.boolean(), atMs: z.number().min(0) })
    .exactOptional(),
});

/** @returns undefined when the machine has never been seen running, and when the record cannot be believed: it is made anew */
export async function readRunningTime(machineFolder: string): Promise<RunningTime | undefined> {
  const record = await readRecord(recordOf(machineFolder), runningTimeRecord).catch(() => undefined);
  if (record === undefined) {
    return undefined;
  }
  const { version: _, ...time } = record;
  return time;
}

/** Not made durable: what the power takes is the time since an earlier look. */
export async function writeRunningTime(machineFolder: string, time: RunningTime): Promise<void> {
  const content = `${JSON.stringify({ version: 1, ...time })}\n`;
  await writeFileAtomically(recordOf(machineFolder), content, 'in passing', machineFolder);
}

function recordOf(machineFolder: string): string {
  return path.join(machineFolder, 'run', runningTimeFile);
}
