import { readdirSync } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { systemCode } from '../model/checkpoint-error.ts';
import { readRecord, syncFolder, writeRecord } from './atomic-file.ts';
import type { Home } from './home.ts';
import { groupRecord, recordVersion, type GroupRecord } from './records.ts';

/** Whoever was writing a record that long ago has died at it. */
const abandonedAfterMs = 60 * 60 * 1000;

/**
 * The changes of several machines that are under way, or that an engine left which died: a file each, which is there as
 * long as any of its machines is not settled. Whoever writes or removes one holds the locks of all of its machines.
 */
export class GroupJournal {
  readonly #folder: string;
  readonly #volume: Home['volume'];

  constructor(home: Home) {
    this.#folder = home.groups;
    this.#volume = home.volume;
  }

  /** Ids of all of them. At once: nearly always there are none. */
  ids(): string[] {
    return this.#names()
      .filter((name) => name.endsWith('.json'))
      .map((name) => path.basename(name, '.json'));
  }

  /** @returns undefined when it has been settled. @throws MachineDamaged when it cannot be believed */
  async read(id: string): Promise<GroupRecord | undefined> {
    const record = await readRecord(this.#file(id), groupRecord);
    if (record === undefined || record.id !== id) {
      return undefined;
    }
    const { version: _, ...group } = record;
    return group;
  }

  async write(group: GroupRecord): Promise<void> {
    const record = { version: recordVersion, ...group };
    try {
      await writeRecord(this.#file(group.id), record);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') {
        throw error;
      }
      this.#volume.requireThere();
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await writeRecord(this.#file(group.id), record);
    }
  }

  /** Durably: one that came back would undo what happened since. */
  async remove(id: string): Promise<void> {
    await rm(this.#file(id), { force: true });
    await syncFolder(this.#folder);
  }

  /** Removes what writers left that died. */
  async sweep(at: Date): Promise<void> {
    for (const name of this.#names().filter((one) => one.endsWith('.new'))) {
      const file = path.join(this.#folder, name);
      const found = await stat(file).catch(() => undefined);
      if (found !== undefined && found.mtimeMs < at.getTime() - abandonedAfterMs) {
        await rm(file, { force: true });
      }
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') {
        return [];
      }
      throw error;
    }
  }

  #file(id: string): string {
    return path.join(this.#folder, `${id}.json`);
  }
}
