/** How much emptying each trash would free: asked of the engine when it is shown, and again when the trash has changed. */
import * as vscode from 'vscode';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import type { FreedBytes } from '../../engine/protocol/space.ts';
import type { Engine } from '../engine/engine.ts';

interface KnownSize {
  /** What was in the trash, and in the tree, when it was measured. */
  content: string;
  freed?: FreedBytes;
}

export class TrashSizes implements vscode.Disposable {
  readonly #engine: Engine;
  readonly #log: vscode.LogOutputChannel;
  readonly #change = new vscode.EventEmitter<MachineInfo>();
  readonly #known = new Map<string, KnownSize>();

  /** The size of a machine's trash became known. */
  readonly onDidChange = this.#change.event;

  constructor(engine: Engine, log: vscode.LogOutputChannel) {
    this.#engine = engine;
    this.#log = log;
  }

  /** What is known; when that is nothing, it is asked for, and announced. */
  of(machine: MachineInfo): FreedBytes | undefined {
    const content = contentOf(machine);
    const known = this.#known.get(machine.id);
    if (known?.content !== content) {
      const asked = { content, ...(known?.freed === undefined ? {} : { freed: known.freed }) };
      this.#known.set(machine.id, asked);
      void this.#measure(machine, asked);
    }
    return known?.freed;
  }

  dispose(): void {
    this.#change.dispose();
  }

  /** Never rejects: a size that cannot be told is not shown. */
  async #measure(machine: MachineInfo, asked: KnownSize): Promise<void> {
    try {
      const { machines } = await this.#engine.request('space', { machine: machine.id });
      const [space] = machines;
      if (space !== undefined && this.#known.get(machine.id) === asked) {
        asked.freed = space.trash;
        this.#change.fire(machine);
      }
    } catch (error) {
      this.#log.warn(`The size of the trash of ${machine.name} could not be measured`, error);
    }
  }
}

function contentOf({ checkpoints, trash, now }: MachineInfo): string {
  const ids = trash.map(({ checkpoint }) => checkpoint.id);
  return [...ids, '', ...checkpoints.map(({ id }) => id), now.parent ?? ''].join();
}
