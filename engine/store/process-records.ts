import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { readRecord, writeRecord } from './atomic-file.ts';
import { processRecord, recordVersion, type ProcessRecord } from './records.ts';

/** The process that is the machine, or the one that an apply is about to put in its place. */
export type ProcessRole = 'current' | 'successor';

/** Which processes run a machine: in `run/` of its folder. */
export class ProcessRecords {
  readonly #machineFolder: string;

  constructor(machineFolder: string) {
    this.#machineFolder = machineFolder;
  }

  async read(which: ProcessRole): Promise<ProcessRecord | undefined> {
    return readRecord(this.#file(which), processRecord);
  }

  async write(which: ProcessRole, record: Omit<ProcessRecord, 'version'>): Promise<void> {
    await writeRecord(this.#file(which), { version: recordVersion, ...record }, this.#machineFolder);
  }

  async clear(which: ProcessRole): Promise<void> {
    await rm(this.#file(which), { force: true });
  }

  /** The successor becomes the machine. */
  async promoteSuccessor(): Promise<void> {
    await rename(this.#file('successor'), this.#file('current'));
  }

  #file(which: ProcessRole): string {
    return path.join(this.#machineFolder, 'run', `${which}-process.json`);
  }
}
