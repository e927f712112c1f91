import { existsSync, rmSync } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import type { Checkpoint, TrashedCheckpoint } from '../model/checkpoint.ts';
import { CheckpointError, systemCode } from '../model/checkpoint-error.ts';
import { errorSaying, say } from '../model/sayings.ts';
import type { MachineDefinition, Now } from '../model/machine.ts';
import {
  draftRecord,
  draftRemembered,
  readRecord,
  syncFolder,
  writeFileAtomically,
  writeRecord,
  type Draft,
  type RecordMemory,
} from './atomic-file.ts';
import { homeNotReachable } from './home-volume.ts';
import type { FolderPlace } from './machine-place.ts';
import {
  manifestOf,
  readCheckpoints,
  readClones,
  readTrash,
  requireTree,
  withoutHalfTaken,
  type CheckpointRecord,
  type TrashedRecord,
} from './manifests.ts';
import { ProcessRecords } from './process-records.ts';
import {
  frozenRecord,
  journalRecord,
  machineRecord,
  nowRecord,
  recordVersion,
  type CloneRecord,
  type FrozenRecord,
  type JournalRecord,
} from './records.ts';
import { RememberedFiles } from './remembered-files.ts';

/** Everything that the folder says about its machine. */
export interface MachineRecords {
  definition: MachineDefinition;
  now: Now;
  checkpoints: Checkpoint[];
  /** Deleted checkpoints that are still whole, in order of deletion. */
  trash: TrashedCheckpoint[];
  /** Machines that stand on layers of this one. */
  clones: CloneRecord[];
}

/**
 * Records of all machines that were read of late, by the length of their files. A checkpoint is about 1 KB, what is on
 * record of the frozen layers of the longest chain 50 KB.
 */
const remembered = {
  machines: new RememberedFiles<z.output<typeof machineRecord>>(128 * 1024),
  nows: new RememberedFiles<z.output<typeof nowRecord>>(64 * 1024),
  checkpoints: new RememberedFiles<CheckpointRecord>(1024 * 1024),
  trashed: new RememberedFiles<TrashedRecord>(256 * 1024),
  frozen: new RememberedFiles<FrozenRecord>(512 * 1024),
};

/**
 * The folder of one machine, which can be moved or copied whole:
 *
 * - `machine.json` definition, `now.json` Now, `checkpoints/ID.json` a manifest each, `trash/ID.json` deleted ones
 * - `clones/ID.json` machines that stand on layers of this one
 * - `layers/` disks, `memory/` saved memory, `boot/` kernel for direct boot
 * - `frozen.json` what frozen layers looked like when they were last right
 * - `reserve` space that a full volume still has for deleting
 * - `journal.json` the operation that is under way, `lock`
 * - `run/` process, sockets and logs of the hypervisor, and how long the machine has run, what was done to it
 */
export class MachineFolder {
  readonly path: string;
  readonly place: FolderPlace;
  readonly processes: ProcessRecords;
  #reader: this | undefined;

  constructor(folder: string, place: FolderPlace = { isElsewhere: false, isUnsettled: false }) {
    this.path = folder;
    this.place = place;
    this.processes = new ProcessRecords(folder);
  }

  /**
   * To be told once the machine's lock is had: as long as nobody else changes its records, what was read a moment ago is
   * not read again while its file looks the same.
   */
  lockIsHad(): void {
    this.#reader = this;
  }

  #memory<T>(files: RememberedFiles<T>): RecordMemory<T> {
    return { files, reader: this.#reader };
  }

  /** @throws MachineNotReachable when it lies outside of the home, and is not there now; HomeNotReachable when that is not */
  requireReachable(): void {
    if (this.place.lostHome !== undefined) {
      throw homeNotReachable(this.place.lostHome);
    }
    if (this.place.isElsewhere && !existsSync(this.path)) {
      throw new CheckpointError(
        'MachineNotReachable',
        `Machine “${path.basename(this.path)}” is not reachable at ${this.path}. Connect the disk that it was moved to; nothing of it is lost.`,
        { path: this.path },
      );
    }
  }

  get lock(): string {
    return path.join(this.path, 'lock');
  }
  get runFolder(): string {
    return path.join(this.path, 'run');
  }

  /** Absolute path of something named inside the folder. */
  inner(relative: string): string {
    return path.join(this.path, ...relative.split('/'));
  }

  async create(): Promise<void> {
    for (const folder of ['checkpoints', 'trash', 'layers', 'memory', 'boot', 'run']) {
      await mkdir(path.join(this.path, folder), { recursive: true, mode: 0o700 });
    }
  }

  /** @throws MachineDamaged, MachineNotReachable, HomeNotReachable */
  async read(): Promise<MachineRecords> {
    this.requireReachable();
    const [definition, now, checkpoints, trash, clones] = await Promise.all([
      readRecord(path.join(this.path, 'machine.json'), machineRecord, this.#memory(remembered.machines)),
      readRecord(path.join(this.path, 'now.json'), nowRecord, this.#memory(remembered.nows)),
      readCheckpoints(this.path, this.#memory(remembered.checkpoints)),
      readTrash(this.path, this.#memory(remembered.trashed)),
      this.readClones(),
    ]);
    if (definition === undefined || now === undefined) {
      const missing = path.join(this.path, definition === undefined ? 'machine.json' : 'now.json');
      throw errorSaying('MachineDamaged', { path: missing }, say('fileMissing', { path: missing }), say('restoreIt'));
    }
    const { version: _definition, ...machine } = definition;
    const { version: _now, ...present } = now;
    const frozen = withoutHalfTaken(checkpoints, present);
    requireTree(this.path, frozen, present);
    const known = new Set(frozen.map((checkpoint) => checkpoint.id));
    return {
      definition: machine,
      now: present,
      checkpoints: frozen,
      // A delete that died halfway leaves both: the tree is right until its journal is ended.
      trash: trash.filter(({ checkpoint }) => !known.has(checkpoint.id)),
      clones,
    };
  }

  async readClones(): Promise<CloneRecord[]> {
    return readClones(this.path);
  }

  async writeDefinition(definition: MachineDefinition): Promise<void> {
    await this.#write(path.join(this.path, 'machine.json'), definition);
  }

  /** Replacing Now is what makes a take, an apply or an undo have happened. */
  async writeNow(now: Now): Promise<void> {
    await this.#write(this.#now, now);
  }

  /** Has Now ready on the disk: only its name is missing for it to have happened. */
  draftNow(now: Now): Promise<Draft> {
    return draftRemembered(remembered.nows, this.#now, { version: recordVersion, ...now }, this.path);
  }

  get #now(): string {
    return path.join(this.path, 'now.json');
  }

  /** @param first what has to be done before a later engine may find it; the wait for the disk begins meanwhile */
  async writeCheckpoint(checkpoint: Checkpoint, first?: Promise<void>): Promise<void> {
    const draft = await draftRemembered(
      remembered.checkpoints,
      manifestOf(this.path, 'checkpoints', checkpoint.id),
      { version: recordVersion, ...checkpoint },
      this.path,
    );
    try {
      await first;
      await draft.place();
    } catch (error) {
      draft.drop();
      throw error;
    }
  }

  async removeCheckpoint(id: string): Promise<void> {
    await rm(manifestOf(this.path, 'checkpoints', id), { force: true });
    await syncFolder(path.join(this.path, 'checkpoints'));
  }

  async writeTrashed(trashed: TrashedCheckpoint): Promise<void> {
    await mkdir(path.join(this.path, 'trash'), { recursive: true, mode: 0o700 });
    await this.#write(manifestOf(this.path, 'trash', trashed.checkpoint.id), trashed);
  }

  /** True also for one that is in the tree as well, as an interrupted delete or restore leaves it. */
  async isTrashed(id: string): Promise<boolean> {
    return isThere(manifestOf(this.path, 'trash', id));
  }

  async removeTrashed(id: string): Promise<void> {
    try {
      await rm(manifestOf(this.path, 'trash', id));
      await syncFolder(path.join(this.path, 'trash'));
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') {
        throw error;
      }
    }
  }

  async writeClone(clone: CloneRecord): Promise<void> {
    await mkdir(path.join(this.path, 'clones'), { recursive: true, mode: 0o700 });
    await this.#write(manifestOf(this.path, 'clones', clone.machine), clone);
  }

  async removeClone(machine: string): Promise<void> {
    await rm(manifestOf(this.path, 'clones', machine), { force: true });
    await syncFolder(path.join(this.path, 'clones'));
  }

  /** What is known of frozen layers; what cannot be believed counts as not known. */
  async readFrozen(): Promise<FrozenRecord> {
    const found = await readRecord(this.#frozen, frozenRecord, this.#memory(remembered.frozen)).catch(() => undefined);
    return found ?? { version: recordVersion, layers: {} };
  }

  /** Not made durable: losing it costs a warning less, nothing more. */
  async writeFrozen(layers: FrozenRecord['layers']): Promise<void> {
    const record: FrozenRecord = { version: recordVersion, layers };
    const text = `${JSON.stringify(record)}\n`;
    remembered.frozen.expect(this.#frozen, text, record);
    await writeFileAtomically(this.#frozen, text, 'in passing');
  }

  get #frozen(): string {
    return path.join(this.path, 'frozen.json');
  }

  async readJournal(): Promise<JournalRecord | undefined> {
    return readRecord(this.#journal, journalRecord);
  }

  /** True when an operation is under way, or its end is left to the next engine. */
  hasJournal(): boolean {
    return existsSync(this.#journal);
  }

  async writeJournal(intent: Omit<JournalRecord, 'version'>): Promise<void> {
    await this.placeJournal(intent).durable;
  }

  /**
   * As {@link writeJournal}, for what any later engine is to find, unless the power fails: new files that nothing names yet
   * may be made.
   * @returns `placed` once it is found; to be awaited before anything but a draft is made. `durable` once it is found even
   *   then; to be awaited before anything that there was is changed
   */
  placeJournal(intent: Omit<JournalRecord, 'version'>): { placed: Promise<void>; durable: Promise<void> } {
    const placed = this.#putJournal(intent);
    const durable = placed.then(() => syncFolder(this.path));
    // Whoever awaits them is told.
    placed.catch(() => undefined);
    durable.catch(() => undefined);
    return { placed, durable };
  }

  async #putJournal(intent: Omit<JournalRecord, 'version'>): Promise<void> {
    const draft = await draftRecord(this.#journal, { version: recordVersion, ...intent }, this.path);
    try {
      draft.put();
    } catch (error) {
      draft.drop();
      throw error;
    }
  }

  /**
   * @param durability `in passing` after steps that do no harm when they are done once more at the next look: when the
   *   power fails before anything else is made durable in the machine's folder, the journal is there again. The next
   *   journal takes its name, so that an old one never comes back after a later operation.
   */
  async clearJournal(durability: 'durable' | 'in passing' = 'durable'): Promise<void> {
    rmSync(this.#journal, { force: true });
    if (durability === 'durable') {
      await syncFolder(this.path);
    }
  }

  get #journal(): string {
    return path.join(this.path, 'journal.json');
  }

  /** What is not whole yet lies in the machine's own folder, whichever the record goes to: there one look finds it. */
  async #write(file: string, record: object): Promise<void> {
    await writeRecord(file, { version: recordVersion, ...record }, this.path);
  }

  /** Removes a file of the machine, given by its absolute path, and tells how many bytes of the volume that freed. */
  async removeFile(file: string): Promise<number> {
    try {
      const { blocks, nlink } = await stat(file);
      await rm(file);
      return nlink > 1 ? 0 : blocks * 512;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') {
        return 0;
      }
      throw error;
    }
  }
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
