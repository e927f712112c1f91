import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { z } from 'zod';
import type { Checkpoint, TrashedCheckpoint } from '../model/checkpoint.ts';
import { systemCode } from '../model/checkpoint-error.ts';
import { errorSaying, say } from '../model/sayings.ts';
import type { Now } from '../model/machine.ts';
import { ownAncestor, sameLayers } from '../model/tree.ts';
import { readRecord, type RecordMemory } from './atomic-file.ts';
import { checkpointRecord, cloneRecord, trashedRecord, type CloneRecord } from './records.ts';

export type CheckpointRecord = z.output<typeof checkpointRecord>;
export type TrashedRecord = z.output<typeof trashedRecord>;

/** Folders of a machine's folder that hold a record for each checkpoint or clone. */
export type ManifestFolder = 'checkpoints' | 'trash' | 'clones';

export function manifestOf(machine: string, folder: ManifestFolder, id: string): string {
  return path.join(machine, folder, `${id}.json`);
}

/** @throws MachineDamaged */
export async function readCheckpoints(machine: string, memory?: RecordMemory<CheckpointRecord>): Promise<Checkpoint[]> {
  const read = await Promise.all(
    manifestsIn(machine, 'checkpoints').map(async (file) => {
      const record = await readRecord(file, checkpointRecord, memory);
      if (record === undefined) {
        return [];
      }
      const { version: _, ...checkpoint } = record;
      requireOwnManifest(file, manifestOf(machine, 'checkpoints', checkpoint.id), checkpoint.id);
      return [checkpoint];
    }),
  );
  return read.flat();
}

/** In order of deletion. @throws MachineDamaged */
export async function readTrash(machine: string, memory?: RecordMemory<TrashedRecord>): Promise<TrashedCheckpoint[]> {
  const read = await Promise.all(
    manifestsIn(machine, 'trash').map(async (file) => {
      const record = await readRecord(file, trashedRecord, memory);
      if (record === undefined) {
        return [];
      }
      const { version: _, ...trashed } = record;
      requireOwnManifest(file, manifestOf(machine, 'trash', trashed.checkpoint.id), trashed.checkpoint.id);
      return [trashed];
    }),
  );
  return read.flat().sort((a, b) => Date.parse(a.deleted) - Date.parse(b.deleted));
}

/** @throws MachineDamaged */
export async function readClones(machine: string): Promise<CloneRecord[]> {
  const read = await Promise.all(
    manifestsIn(machine, 'clones').map(async (file) => {
      const record = await readRecord(file, cloneRecord);
      if (record === undefined) {
        return [];
      }
      const { version: _, ...clone } = record;
      requireOwnManifest(file, manifestOf(machine, 'clones', clone.machine), clone.machine);
      return [clone];
    }),
  );
  return read.flat();
}

/**
 * The checkpoints that there are. A manifest that names Now's own layers was written by a take that died before it was
 * done, or is left from an undo that died after: Now still writes there, so it is no checkpoint.
 */
export function withoutHalfTaken(checkpoints: readonly Checkpoint[], now: Now): Checkpoint[] {
  return checkpoints.filter((checkpoint) => !sameLayers(checkpoint.layers, now.activeLayers));
}

/** Sees that checkpoints and Now are a tree. @throws MachineDamaged, with the manifest that is to be restored */
export function requireTree(machine: string, checkpoints: readonly Checkpoint[], now: Now): void {
  const known = new Set(checkpoints.map((checkpoint) => checkpoint.id));
  const dangling = [now, ...checkpoints].find(({ parent }) => parent !== undefined && !known.has(parent));
  if (dangling !== undefined) {
    const file = manifestOf(machine, 'checkpoints', dangling.parent ?? '');
    throw errorSaying('MachineDamaged', { path: file }, say('manifestGone', { path: file }), say('restoreIt'));
  }
  const circular = ownAncestor([...checkpoints]);
  if (circular !== undefined) {
    const file = manifestOf(machine, 'checkpoints', circular.id);
    throw errorSaying('MachineDamaged', { path: file }, say('manifestIsCircular', { path: file }), say('restoreIt'));
  }
}

function manifestsIn(machine: string, part: ManifestFolder): string[] {
  const folder = path.join(machine, part);
  let files: string[];
  try {
    files = readdirSync(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return [];
    }
    if (systemCode(error) === 'ENOTDIR') {
      throw errorSaying('MachineDamaged', { path: folder }, say('isNoFolder', { path: folder }), say('restoreIt'));
    }
    throw error;
  }
  return files.filter((file) => file.endsWith('.json')).map((file) => path.join(folder, file));
}

function requireOwnManifest(file: string, expected: string, id: string): void {
  if (file !== expected) {
    const facts = { path: file, found: id };
    throw errorSaying('MachineDamaged', facts, say('manifestOfOther', facts), say('moveItOut'));
  }
}
