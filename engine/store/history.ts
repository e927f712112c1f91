import { appendFileSync, lstatSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { errorCodes } from '../protocol/errors.ts';
import type { PastChange } from '../protocol/history.ts';
import { readRecordText, writeFileAtomically } from './atomic-file.ts';

/** Its name in a machine's `run` folder: a JSON object on each line, the latest last. */
export const historyFile = 'history.jsonl';

/** From here on the older half goes. */
const largestBytes = 256 * 1024;
const longestText = 500;
const mostNames = 20;

const text = z.string().max(longestText);

const line = z.strictObject({
  at: z.iso.datetime(),
  operation: text,
  face: text,
  outcome: z.enum(['done', 'failed', 'cancelled', 'interrupted']),
  durationMs: z.number().min(0).exactOptional(),
  about: z.array(text).max(mostNames).exactOptional(),
  error: z.strictObject({ code: z.enum(errorCodes), message: text }).exactOptional(),
});

/**
 * Adds to what was done to a machine. Not made durable, and no change fails for it: what counts is in the machine's records,
 * and this only tells how they came about.
 */
export async function noteChange(machineFolder: string, change: PastChange): Promise<void> {
  const file = fileOf(machineFolder);
  try {
    // A folder that came from elsewhere may have a link there.
    if (lstatSync(file, { throwIfNoEntry: false })?.isFile() === false) {
      return;
    }
    appendFileSync(file, `${JSON.stringify(shortened(change))}\n`, { mode: 0o600 });
    if (lstatSync(file).size > largestBytes) {
      const lines = readRecordText(file).text.trimEnd().split('\n');
      const kept = lines.slice(Math.ceil(lines.length / 2));
      await writeFileAtomically(file, `${kept.join('\n')}\n`, 'in passing', machineFolder);
    }
  } catch {
    // The machine is gone, or its volume is full, or may not be written.
  }
}

/** The latest first. Lines that cannot be believed are left out. */
export function readHistory(machineFolder: string): PastChange[] {
  return contentOf(fileOf(machineFolder))
    .split('\n')
    .flatMap((one): PastChange[] => {
      const parsed = line.safeParse(parsedJson(one));
      return parsed.success ? [parsed.data] : [];
    })
    .reverse();
}

/** Empty when there is none, or none that can be believed. */
function contentOf(file: string): string {
  try {
    return readRecordText(file).text;
  } catch {
    return '';
  }
}

function shortened(change: PastChange): PastChange {
  return {
    ...change,
    ...(change.about === undefined
      ? {}
      : { about: change.about.slice(0, mostNames).map((name) => name.slice(0, longestText)) }),
    ...(change.error === undefined
      ? {}
      : { error: { ...change.error, message: change.error.message.slice(0, longestText) } }),
  };
}

function parsedJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

function fileOf(machineFolder: string): string {
  return path.join(machineFolder, 'run', historyFile);
}
