import path from 'node:path';
import type { HistoryOperations } from '../protocol/history.ts';
import { readHistory } from '../store/history.ts';
import type { EngineContext } from './engine-context.ts';
import { findMachine } from './open-machine.ts';

/** Tells what was done to machines, by whichever program. */
export class HistoryService {
  readonly #context: EngineContext;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /** @throws MachineNotFound */
  async history({
    machine,
    last,
  }: HistoryOperations['history']['params']): Promise<HistoryOperations['history']['result']> {
    const folder = await findMachine(this.#context, machine);
    return { machine: path.basename(folder.path), changes: readHistory(folder.path).slice(0, last) };
  }
}
