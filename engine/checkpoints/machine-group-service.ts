import { inGroup } from '../model/machine.ts';
import { groupName } from '../model/names.ts';
import type { Params, Result } from '../protocol/operations.ts';
import type { CheckpointService } from './checkpoint-service.ts';
import type { EngineContext } from './engine-context.ts';
import { changeDefinition } from './one-record.ts';
import { changeMachine } from './open-machine.ts';

/** Puts machines into the groups that they are shown in. */
export class MachineGroupService {
  readonly #context: EngineContext;
  readonly #service: Pick<CheckpointService, 'show'>;

  constructor(context: EngineContext, service: Pick<CheckpointService, 'show'>) {
    this.#context = context;
    this.#service = service;
  }

  /** The machine itself stays as it is, running or not. @throws InvalidName */
  async setGroup(params: Params<'setGroup'>): Promise<Result<'setGroup'>> {
    const group = params.group.trim() === '' ? undefined : groupName(params.group);
    await changeMachine(this.#context, params.machine, 'set the group', ({ folder, records }) =>
      changeDefinition(this.#context, folder, inGroup(records.definition, group)),
    );
    return { machine: (await this.#service.show({ machine: params.machine })).machine };
  }
}
