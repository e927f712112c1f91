import path from 'node:path';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { MachineDefinition, Now } from '../model/machine.ts';
import { fileBytesOf } from '../model/saved-memory.ts';
import { byCreation } from '../model/tree.ts';
import type { CheckpointInfo, MachineInfo, NowInfo } from '../protocol/machines.ts';
import type { Home } from '../store/home.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { owesWelcome } from '../store/owed-welcome.ts';
import { ReadingIndex, type Reading } from '../store/reading-index.ts';
import { hasDrafts } from '../store/record-drafts.ts';
import { readMachine } from './locked-machine.ts';

/** To be changed whenever what a client sees of a checkpoint does. */
const format = '6';

const afterAnswerMs = 50;

/** To look at each record takes some hundred milliseconds where there are tens of thousands: others are let in between. */
const sliceMs = 4;
const betweenSlicesMs = 8;

/** Of a machine's records, what clients see; but for {@link MachineHistory}. */
export interface MachineSummary {
  definition: MachineDefinition;
  now: NowInfo & Pick<Now, 'activeLayers'>;
  /** Checkpoints before guarded commands that have not ended. */
  openGuards: Required<Pick<Checkpoint, 'id' | 'name' | 'guard'>>[];
}

/** `checkpoints` in order of creation, `trash` in order of deletion. */
export type MachineHistory = Pick<MachineInfo, 'checkpoints' | 'trash'>;

/** Reads the records. @throws MachineDamaged */
export async function summarise(
  folder: MachineFolder,
): Promise<{ summary: MachineSummary; history: MachineHistory; records: MachineRecords }> {
  const records = await readMachine(folder);
  const { definition, now, checkpoints, trash } = records;
  const known = new Set(checkpoints.map(({ id }) => id));
  return {
    summary: {
      definition,
      now: {
        activeLayers: now.activeLayers,
        ...(now.parent === undefined ? {} : { parent: now.parent }),
        ...(now.memory === undefined ? {} : { savedMemoryBytes: fileBytesOf(now.memory) }),
        ...(now.undo !== undefined && known.has(now.undo) ? { undo: now.undo } : {}),
        ...(now.redo !== undefined && known.has(now.redo) ? { redo: now.redo } : {}),
      },
      openGuards: checkpoints.flatMap(({ id, name, guard }) =>
        guard === undefined || guard.end !== undefined ? [] : [{ id, name, guard }],
      ),
    },
    history: {
      checkpoints: byCreation(checkpoints).map(viewCheckpoint),
      trash: trash.map(({ checkpoint, deleted, expires }) => ({
        checkpoint: viewCheckpoint(checkpoint),
        deleted,
        expires,
      })),
    },
    records,
  };
}

/** A checkpoint as clients see it. */
export function viewCheckpoint(checkpoint: Checkpoint): CheckpointInfo {
  const {
    layers: _layers,
    definition: _definition,
    undo: _undo,
    redo: _redo,
    memory,
    console: _console,
    firmware: _firmware,
    ...facts
  } = checkpoint;
  return {
    ...facts,
    hasMemory: memory !== undefined,
    ...(memory === undefined ? {} : { memoryFileBytes: fileBytesOf(memory) }),
    ...(memory?.packedBytes === undefined ? {} : { unpackedMemoryBytes: memory.sizeBytes }),
    ...(memory?.method === undefined ? {} : { memoryMethod: memory.method }),
    ...(memory?.wasSaved === undefined ? {} : { wasSaved: true }),
  };
}

/** The summaries of a home's machines, each with its history as JSON text; remembered from one engine to the next. */
export class MachineSummaries {
  readonly #index: ReadingIndex<MachineSummary>;
  readonly #volume: Home['volume'];
  #timer: NodeJS.Timeout | undefined;

  constructor(home: Home) {
    this.#volume = home.volume;
    this.#index = new ReadingIndex(
      path.join(home.cache, 'machines.index'),
      { format, isHead: isSummary },
      // Clones are not shown, but a machine whose clones cannot be read is.
      { files: ['machine.json', 'now.json'], folders: ['checkpoints', 'trash', 'clones'] },
    );
  }

  /**
   * What is remembered of a machine: no operation was under way on it, and none has begun since. Of records that somebody
   * edited in place it does not know; see {@link isUnchanged} and {@link checkSoon}.
   */
  known(folder: MachineFolder): Reading<MachineSummary> | undefined {
    return this.#index.known(folder.path);
  }

  /** Looks at each record of a machine that is {@link known}. */
  isUnchanged(folder: MachineFolder): boolean {
    return this.#index.isUnchanged(folder.path);
  }

  /** Reads the records, and remembers what they say. @throws MachineDamaged */
  async read(folder: MachineFolder): Promise<Reading<MachineSummary>> {
    const stamps = this.#index.stampsOf(folder.path);
    const { summary, history } = await summarise(folder);
    const reading = { head: summary, body: Buffer.from(JSON.stringify(history)) };
    const isUnderWay = folder.hasJournal() || owesWelcome(folder) || hasDrafts(folder.path);
    this.#index.remember(folder.path, isUnderWay ? undefined : stamps, reading);
    return reading;
  }

  /**
   * Once whoever waits for a list has it: looks at each record of the machines that were believed, in slices; then
   * remembers what is new, of all machines there are.
   * @param onDifferent gets each machine that the list was not right of
   */
  checkSoon(
    folders: readonly MachineFolder[],
    believed: readonly MachineFolder[],
    onDifferent?: (machine: string) => void,
  ): void {
    const left = [...believed];
    const go = (): void => {
      const end = performance.now() + sliceMs;
      while (performance.now() < end) {
        const folder = left.pop();
        if (folder === undefined) {
          if (!this.#volume.isLost) {
            void this.#index.save(folders.map((one) => one.path));
          }
          return;
        }
        if (!this.isUnchanged(folder)) {
          onDifferent?.(path.basename(folder.path));
        }
      }
      this.#timer = setTimeout(go, betweenSlicesMs);
    };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(go, afterAnswerMs);
  }
}

function isSummary(json: unknown): json is MachineSummary {
  return typeof json === 'object' && json !== null && 'definition' in json && 'now' in json;
}
