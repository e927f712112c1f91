import path from 'node:path';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { MachineDefinition, Now } from '../model/machine.ts';
import { byCreation } from '../model/tree.ts';
import type { CheckpointInfo, TrashedInfo } from '../protocol/machines.ts';
import type { Home } from '../store/home.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { ReadingIndex } from '../store/reading-index.ts';
import { readMachine } from './locked-machine.ts';

/** To be changed whenever what a client sees of a checkpoint does. */
const format = '1';

const afterAnswerMs = 50;

/** Of a machine's records, what clients see. */
export interface MachineSummary {
  definition: MachineDefinition;
  now: Now;
  /** In order of creation. */
  checkpoints: CheckpointInfo[];
  /** In order of deletion. */
  trash: TrashedInfo[];
}

/** Reads the records. @throws MachineDamaged */
export async function summarise(folder: MachineFolder): Promise<MachineSummary> {
  const { definition, now, checkpoints, trash } = await readMachine(folder);
  return {
    definition,
    now,
    checkpoints: byCreation(checkpoints).map(viewCheckpoint),
    trash: trash.map(({ checkpoint, deleted, expires }) => ({
      checkpoint: viewCheckpoint(checkpoint),
      deleted,
      expires,
    })),
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
    firmware: _firmware,
    ...facts
  } = checkpoint;
  return {
    ...facts,
    hasMemory: memory !== undefined,
    ...(memory === undefined ? {} : { memoryFileBytes: memory.sizeBytes }),
    ...(memory?.method === undefined ? {} : { memoryMethod: memory.method }),
  };
}

/** The summaries of a home's machines, remembered from one engine to the next. */
export class MachineSummaries {
  readonly #index: ReadingIndex<MachineSummary>;
  #timer: NodeJS.Timeout | undefined;

  constructor(home: Home) {
    this.#index = new ReadingIndex(
      path.join(home.cache, 'machines.index'),
      { format, isValue: isSummary },
      // Clones are not shown, but a machine whose clones cannot be read is.
      { files: ['machine.json', 'now.json'], folders: ['checkpoints', 'trash', 'clones'] },
    );
  }

  /** As {@link summarise}, without reading what has not changed since it was read. @throws MachineDamaged */
  of(folder: MachineFolder): Promise<MachineSummary> {
    return this.#index.valueOf(folder.path, () => summarise(folder));
  }

  /** Remembers what is new, of all machines there are, once whoever waits for a list has it. */
  saveSoon(folders: readonly MachineFolder[]): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#index.save(folders.map((folder) => folder.path)), afterAnswerMs);
  }
}

function isSummary(json: unknown): json is MachineSummary {
  return (
    typeof json === 'object' &&
    json !== null &&
    ['definition', 'now', 'checkpoints', 'trash'].every((member) => member in json)
  );
}
