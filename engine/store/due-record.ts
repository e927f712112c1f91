import { mkdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import type { ClockReading, DueRecord } from '../model/due-when-awake.ts';
import { readRecord, writeFileAtomically } from './atomic-file.ts';

const milliseconds = z.number();

const dueRecord = z.strictObject({
  version: z.literal(1),
  last: z.strictObject({ wallMs: milliseconds, uptimeMs: milliseconds, boot: z.string().max(100) }),
  jump: z.strictObject({ byMs: milliseconds, atUptimeMs: milliseconds }).exactOptional(),
  noticed: z.record(z.string().max(64), milliseconds),
});

/** What engines have noticed to be due of one machine. @returns undefined also when it cannot be believed: then all waits anew */
export async function readDue(machineFolder: string): Promise<DueRecord | undefined> {
  const record = await readRecord(recordOf(machineFolder), dueRecord).catch(() => undefined);
  if (record === undefined) {
    return undefined;
  }
  const { version: _, ...due } = record;
  return due;
}

/** Not made durable: without it, what is due waits an hour longer. */
export async function writeDue(machineFolder: string, due: DueRecord): Promise<void> {
  mkdirSync(path.dirname(recordOf(machineFolder)), { recursive: true, mode: 0o700 });
  const content = `${JSON.stringify({ version: 1, ...due })}\n`;
  await writeFileAtomically(recordOf(machineFolder), content, 'in passing', machineFolder);
}

/** @param at what the clock shows */
export function readClocks(at: Date): ClockReading {
  let boot = '';
  try {
    boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Elsewhere the time since the start tells: it begins anew.
  }
  return { wallMs: at.getTime(), uptimeMs: Math.round(os.uptime() * 1000), boot };
}

/** Its name in a machine's `run` folder. */
export const dueFile = 'due.json';

function recordOf(machineFolder: string): string {
  return path.join(machineFolder, 'run', dueFile);
}
