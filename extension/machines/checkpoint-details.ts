/** What is known of a checkpoint besides what the tree shows: asked of the engine when somebody wants to read it. */
import * as vscode from 'vscode';
import type { CheckpointInfo, MachineInfo } from '../../engine/protocol/machines.ts';
import type { CheckpointSpace } from '../../engine/protocol/space.ts';
import type { Engine } from '../engine/engine.ts';
import { faceOf } from './made-through.ts';

/** What could not be told is absent. */
export interface MoreOfCheckpoint {
  space?: CheckpointSpace;
  /** The program that made it. */
  face?: string;
  /** What its machine's console showed. */
  console?: string;
}

/** Older changes say nothing of most checkpoints that there are. */
const mostChanges = 500;

export class CheckpointDetails {
  readonly #engine: Engine;
  readonly #log: vscode.LogOutputChannel;

  constructor(engine: Engine, log: vscode.LogOutputChannel) {
    this.#engine = engine;
    this.#log = log;
  }

  /** Never rejects. */
  async of(
    { id: machine, name }: MachineInfo,
    checkpoint: CheckpointInfo,
    token: vscode.CancellationToken,
  ): Promise<MoreOfCheckpoint> {
    const unless = async <T>(asked: Promise<T>): Promise<T | undefined> => {
      try {
        return await asked;
      } catch (error) {
        if (!token.isCancellationRequested) {
          this.#log.warn(`Not all of “${checkpoint.name}” of ${name} could be told`, error);
        }
        return undefined;
      }
    };
    const [measured, history, shown] = await Promise.all([
      unless(this.#engine.request('space', { machine }, { token })),
      unless(this.#engine.request('history', { machine, last: mostChanges }, { token })),
      // Without one that ran there is no console.
      checkpoint.pauseMs === undefined && !checkpoint.hasMemory
        ? undefined
        : unless(this.#engine.request('show', { machine, checkpoint: checkpoint.id }, { token })),
    ]);
    const space = measured?.machines[0]?.checkpoints.find(({ id }) => id === checkpoint.id);
    const face = faceOf(checkpoint, history?.changes ?? []);
    return {
      ...(space === undefined ? {} : { space }),
      ...(face === undefined ? {} : { face }),
      ...(shown?.console === undefined ? {} : { console: shown.console }),
    };
  }
}
