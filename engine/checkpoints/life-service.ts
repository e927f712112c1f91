import type { LifeOperations } from '../protocol/life.ts';
import type { Params, Result } from '../protocol/operations.ts';
import type { CheckpointService } from './checkpoint-service.ts';
import { hostOf, type Call, type EngineContext } from './engine-context.ts';
import { requireUp } from './locked-machine.ts';
import { forgetMachine } from './forget-machine.ts';
import { changeMachine } from './open-machine.ts';
import { discardState, saveState } from './saved-state.ts';
import { outlivingWindow } from './window-end.ts';

/** Resets machines, saves them, and gives up what was saved. */
export class LifeService implements LifeCalls {
  readonly #context: EngineContext;
  readonly #service: Pick<CheckpointService, 'show'>;

  constructor(context: EngineContext, service: Pick<CheckpointService, 'show'>) {
    this.#context = context;
    this.#service = service;
  }

  async reset({ machine }: Params<'reset'>): Promise<Result<'reset'>> {
    await changeMachine(this.#context, machine, 'reset', async (open) => {
      requireUp(open);
      await hostOf(this.#context, open.records.definition).reset(open.folder);
    });
    return this.#shown(machine);
  }

  async saveState({ machine }: Params<'saveState'>, call: Call): Promise<Result<'saveState'>> {
    const started = performance.now();
    const { sizeBytes } = await changeMachine(this.#context, machine, 'save', async (open) => {
      requireUp(open);
      // As with a take: a window that is closed meanwhile is no reason to throw that away.
      return saveState(this.#context, open, outlivingWindow(call));
    });
    return { ...(await this.#shown(machine)), sizeBytes, totalMs: Math.round(performance.now() - started) };
  }

  async discardState({ machine }: Params<'discardState'>): Promise<Result<'discardState'>> {
    const freedBytes = await changeMachine(this.#context, machine, 'discard the saved state', (open) =>
      discardState(this.#context, open),
    );
    return { ...(await this.#shown(machine)), freedBytes };
  }

  async forgetMachine({ machine }: Params<'forgetMachine'>): Promise<Result<'forgetMachine'>> {
    return forgetMachine(this.#context, machine);
  }

  async #shown(machine: string): Promise<Pick<Result<'show'>, 'machine'>> {
    return { machine: (await this.#service.show({ machine })).machine };
  }
}

type LifeCalls = {
  [K in keyof LifeOperations]: (params: Params<K>, call: Call) => Promise<Result<K>>;
};
