import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { readRecord, syncFolder } from '../store/atomic-file.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { readMoved, removeDrafts, removeMoved, writeMoved, type MovedRecord } from '../store/moved-machines.ts';
import type { EngineContext } from './engine-context.ts';

/** Lies in a copy until it is settled that it is the machine. */
export const copyMark = 'move.json';
export const copyMarkRecord = z.strictObject({ version: z.literal(1), token: z.uuid() });

/** Where a copy is made, and where the machine is set aside that was copied: on the same volumes. */
export function copyBeside({ to, token }: { to: string; token: string }): string {
  return path.join(path.dirname(to), `.moving-${path.basename(to)}-${token.slice(0, 8)}`);
}
export function asideOf(place: string, token: string): string {
  return path.join(path.dirname(place), `.removed-${path.basename(place)}-${token.slice(0, 8)}`);
}

/**
 * Ends a move, or a removal, that an engine left: the machine lies where it lay before, or where it was to go, and nowhere
 * else. To be called with the machine locked; safe to repeat.
 */
export async function endMove(context: EngineContext, folder: MachineFolder): Promise<void> {
  const name = path.basename(folder.path);
  if (folder.place.isUnsettled) {
    await removeDrafts(context.home, name);
  }
  const record = readMoved(context.home, name);
  if (record?.removal !== undefined && record.move === undefined) {
    await rm(record.removal, { recursive: true, force: true });
    await writeMoved(context.home, name, { path: record.path });
    return;
  }
  if (record?.move === undefined) {
    return;
  }
  context.log.info(`Machine ${folder.path}: ending an interrupted move.`);
  await (folder.path === record.path ? undo(record.move) : finish(record.path, record.move));
  await settle(context, name, folder.path);
}

async function undo(move: Move): Promise<void> {
  const copy = copyBeside(move);
  const mark = await readRecord(path.join(move.to, copyMark), copyMarkRecord).catch(() => undefined);
  await rm(copy, { recursive: true, force: true });
  if (mark?.token === move.token) {
    // Out of the way as one: half of it would not be known for ours.
    await rename(move.to, copy);
    await rm(copy, { recursive: true, force: true });
  }
}

async function finish(from: string, { to, token }: Move): Promise<void> {
  await rm(asideOf(from, token), { recursive: true, force: true });
  await rm(path.join(to, copyMark), { force: true });
  await syncFolder(to);
}

async function settle(context: EngineContext, name: string, place: string): Promise<void> {
  if (path.dirname(place) === context.home.machines) {
    await removeMoved(context.home, name);
  } else {
    await writeMoved(context.home, name, { path: place });
  }
}

type Move = NonNullable<MovedRecord['move']>;
