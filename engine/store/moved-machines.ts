import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { systemCode } from '../model/checkpoint-error.ts';
import { syncFolder, writeRecord } from './atomic-file.ts';
import type { Home } from './home.ts';
import type { MachinePlace } from './machine-place.ts';

const suffix = '.moved.json';
/** What a record was first, before it got its name; see `atomic-file.ts`. */
const draft = /^(.+)\.moved\.json\.[0-9a-f]+\.new$/;
const absolute = z
  .string()
  .max(4096)
  .refine((text) => path.isAbsolute(text));

/**
 * Where a machine lies that lies outside of the home, beside the folders of those that do not. Kept as `NAME.moved.json`;
 * the folder it leads to has the machine's name.
 */
const movedRecord = z.strictObject({
  version: z.literal(1),
  path: absolute,
  /** While it is moved: it lies at `path` as long as that is there, and at `to` from then on. */
  move: z.strictObject({ to: absolute, token: z.uuid() }).exactOptional(),
  /** While it is removed: where it is set aside; it is no more once it lies there. */
  removal: absolute.exactOptional(),
});
export type MovedRecord = Omit<z.output<typeof movedRecord>, 'version'>;

/** All machines of a home, by name; while its volume is not there, those that this engine has seen on it. */
export function machinePlaces(home: Home): MachinePlace[] {
  return home.volume.machines(() => placesIn(home));
}

function placesIn(home: Home): MachinePlace[] {
  const places = new Map<string, MachinePlace>();
  const records: string[] = [];
  const drafts: string[] = [];
  for (const entry of entriesOf(home.machines)) {
    if (entry.isDirectory() && !entry.name.startsWith('.')) {
      places.set(entry.name, {
        name: entry.name,
        path: path.join(home.machines, entry.name),
        isElsewhere: false,
        isUnsettled: false,
      });
    } else if (entry.isFile() && entry.name.endsWith(suffix) && !entry.name.startsWith('.')) {
      records.push(entry.name.slice(0, -suffix.length));
    } else if (entry.isFile()) {
      drafts.push(draft.exec(entry.name)?.[1] ?? '');
    }
  }
  for (const name of records) {
    const record = readMoved(home, name);
    const inner = places.get(name);
    if (record === undefined) {
      places.set(name, inner ?? lost(home, name));
    } else if (inner === undefined || record.move !== undefined) {
      const found = placeOf(record);
      if (found === undefined) {
        places.delete(name);
      } else {
        const isElsewhere = path.dirname(found) !== home.machines;
        const isUnsettled = record.move !== undefined || record.removal !== undefined;
        places.set(name, { name, path: found, isElsewhere, isUnsettled });
      }
    }
  }
  for (const name of drafts) {
    const place = places.get(name);
    if (place !== undefined) {
      places.set(name, { ...place, isUnsettled: true });
    }
  }
  return [...places.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Where the machine of a name lies; inside of the home when there is none. */
export function placeNamed(home: Home, name: string): string {
  const inner = path.join(home.machines, name);
  const record = readMoved(home, name);
  return record === undefined || (record.move === undefined && existsSync(inner)) ? inner : (placeOf(record) ?? inner);
}

/** Names of the machines that are being removed, or whose removal an engine left. */
export function removalsOf(home: Home): { name: string; record: MovedRecord & { removal: string } }[] {
  return entriesOf(home.machines)
    .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
    .flatMap((entry) => {
      const name = entry.name.slice(0, -suffix.length);
      const record = readMoved(home, name);
      return record?.removal === undefined ? [] : [{ name, record: { ...record, removal: record.removal } }];
    });
}

/** Of a machine that lies in the home: undefined. So it is of a record that says nothing. */
export function readMoved(home: Home, name: string): MovedRecord | undefined {
  const file = fileOf(home, name);
  if (!existsSync(file)) {
    return undefined;
  }
  try {
    const { version: _, ...record } = movedRecord.parse(JSON.parse(readFileSync(file, 'utf8')));
    return record;
  } catch {
    return undefined;
  }
}

export async function writeMoved(home: Home, name: string, record: MovedRecord): Promise<void> {
  home.volume.requireThere();
  await writeRecord(fileOf(home, name), { version: 1, ...record });
}

export async function removeMoved(home: Home, name: string): Promise<void> {
  await rm(fileOf(home, name), { force: true });
  await syncFolder(home.machines);
}

/** Removes records that an engine died at writing; to be called with the machine locked. */
export async function removeDrafts(home: Home, name: string): Promise<void> {
  for (const entry of entriesOf(home.machines)) {
    if (entry.isFile() && draft.exec(entry.name)?.[1] === name) {
      await rm(path.join(home.machines, entry.name), { force: true });
    }
  }
}

/** True where a machine of that name lies elsewhere, or is on its way. */
export function isMoved(home: Home, name: string): boolean {
  return existsSync(fileOf(home, name));
}

function placeOf({ path: place, move, removal }: MovedRecord): string | undefined {
  if (existsSync(place)) {
    return place;
  }
  if (removal !== undefined && existsSync(removal)) {
    return undefined;
  }
  return move?.to ?? place;
}

function lost(home: Home, name: string): MachinePlace {
  return { name, path: path.join(home.machines, name), isElsewhere: true, isUnsettled: false };
}

function fileOf(home: Home, name: string): string {
  return path.join(home.machines, `${name}${suffix}`);
}

function entriesOf(folder: string): { name: string; isDirectory(): boolean; isFile(): boolean }[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    // A home that is not there yet has none.
    if (systemCode(error) === 'ENOENT') {
      return [];
    }
    throw error;
  }
}
