import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { say, sayError } from '../model/sayings.ts';
import type { MachineState } from '../protocol/machines.ts';
import type { Sentence } from '../protocol/sentences.ts';
import { lockHolder } from '../store/file-lock.ts';
import { isFreeSoon, recoverOperation } from '../store/lock-wanted.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { owesWelcome } from '../store/owed-welcome.ts';
import { hasDrafts } from '../store/record-drafts.ts';
import type { EngineContext } from './engine-context.ts';
import { machineFolders } from './machine-folders.ts';
import { changeMachine } from './open-machine.ts';

const newlyDeadMs = 30_000;
const retryMs = 100;

/** Ends what an engine left that died in the middle of a change: at the first look, not only at the next change. */
export class ForsakenChanges {
  readonly #context: EngineContext;
  /** By folder: a recovery that failed is not tried again by looking, only by the next change. */
  readonly #failed = new Map<string, { started: string; error: unknown }>();

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /** @returns why what was left could not be ended; undefined when nothing is left */
  async end(folder: MachineFolder): Promise<Sentence | undefined> {
    const interrupted = await folder.readJournal().catch(() => undefined);
    const isNew = interrupted !== undefined && interrupted.started !== this.#failed.get(folder.path)?.started;
    if (
      (isNew || folder.place.isUnsettled || owesWelcome(folder) || hasDrafts(folder.path)) &&
      isFreeSoon(await lockHolder(folder.lock))
    ) {
      try {
        await changeMachine(this.#context, path.basename(folder.path), recoverOperation, async () => undefined);
      } catch (error) {
        // Whoever was quicker ends it, too.
        if (interrupted !== undefined && !(error instanceof CheckpointError && error.code === 'Locked')) {
          this.#failed.set(folder.path, { started: interrupted.started, error });
        }
        this.#context.log.error(`Machine ${folder.path} could not be recovered: ${String(error)}`);
      }
    }
    const stuck = interrupted === undefined ? undefined : this.#failed.get(folder.path);
    return stuck === undefined || stuck.started !== interrupted?.started
      ? undefined
      : say('changeNotEnded', { reason: sayError(stuck.error) });
  }

  /** The same of these, whose engine has just died. */
  async endOf(machines: readonly string[]): Promise<void> {
    for (const folder of await machineFolders(this.#context)) {
      const end = performance.now() + newlyDeadMs;
      const isLeft = (): boolean => folder.hasJournal() || owesWelcome(folder);
      // One that has only just died may still pass for the holder of its lock.
      while (machines.includes(path.basename(folder.path)) && isLeft() && performance.now() < end) {
        if ((await this.end(folder)) !== undefined) {
          break;
        }
        await delay(isLeft() ? retryMs : 0);
      }
    }
  }

  /**
   * The same, where somebody may be waiting for it: a guest that runs stands still in the middle of some changes, and its writes
   * wait in the middle of others. To be called often.
   */
  async endOfRunning(states: ReadonlyMap<string, MachineState>): Promise<void> {
    for (const folder of await machineFolders(this.#context)) {
      const state = states.get(path.basename(folder.path));
      if ((state === 'running' || state === 'paused') && (folder.hasJournal() || owesWelcome(folder))) {
        await this.end(folder);
      }
    }
  }
}
