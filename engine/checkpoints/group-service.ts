import path from 'node:path';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { GroupInfo, GroupOperations } from '../protocol/groups.ts';
import type { CheckpointService } from './checkpoint-service.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { applyGroup, createdOf, deleteGroup, findGroup, nameOf, readGroups, takeGroup, type Group } from './groups.ts';
import type { OpenMachine } from './locked-machine.ts';
import { viewCheckpoint } from './machine-view.ts';
import { changeMachine, findMachine } from './open-machine.ts';

type GroupParams<K extends keyof GroupOperations> = GroupOperations[K]['params'];
type GroupResult<K extends keyof GroupOperations> = GroupOperations[K]['result'];

/** The operations on groups of checkpoints, once for all faces. */
export class GroupService {
  readonly #context: EngineContext;
  readonly #machines: Pick<CheckpointService, 'show'>;

  constructor(context: EngineContext, machines: Pick<CheckpointService, 'show'>) {
    this.#context = context;
    this.#machines = machines;
  }

  async groupList(): Promise<GroupResult<'groupList'>> {
    return { groups: (await readGroups(this.#context)).map(viewGroup) };
  }

  async groupTake(params: GroupParams<'groupTake'>, call: Call): Promise<GroupResult<'groupTake'>> {
    const { machines, ...options } = params;
    const folders = await Promise.all(machines.map((machine) => findMachine(this.#context, machine)));
    const names = folders.map((folder) => path.basename(folder.path));
    if (names.length === 0) {
      throw new CheckpointError('InvalidArgument', 'A group needs machines. Name each of them with --machine.', {});
    }
    const id = await this.#locked(names, 'take a group', (open) => takeGroup(this.#context, open, options, call));
    return this.#result(await findGroup(this.#context, id));
  }

  async groupApply(params: GroupParams<'groupApply'>, call: Call): Promise<GroupResult<'groupApply'>> {
    const { group: reference, ...options } = params;
    const group = await findGroup(this.#context, reference);
    await this.#locked(machinesOf(group), 'apply a group', (open) =>
      applyGroup(this.#context, open, group, options, call),
    );
    return this.#result(group);
  }

  async groupDelete(params: GroupParams<'groupDelete'>): Promise<GroupResult<'groupDelete'>> {
    const group = await findGroup(this.#context, params.group);
    await this.#locked(machinesOf(group), 'delete a group', (open) => deleteGroup(this.#context, open, group));
    return this.#result(group);
  }

  /** In one order for all engines, so that no two wait for each other. */
  async #locked<T>(
    names: readonly string[],
    operation: string,
    act: (machines: OpenMachine[]) => Promise<T>,
  ): Promise<T> {
    const sorted = [...new Set(names)].sort();
    const lock = (open: OpenMachine[]): Promise<T> => {
      const next = sorted[open.length];
      return next === undefined
        ? act(open)
        : changeMachine(this.#context, next, operation, (machine) => lock([...open, machine]));
    };
    return lock([]);
  }

  async #result(group: Group): Promise<GroupResult<'groupTake'>> {
    const shown = await Promise.all(machinesOf(group).map((machine) => this.#machines.show({ machine })));
    return { group: viewGroup(group), machines: shown.map(({ machine }) => machine) };
  }
}

function machinesOf({ members }: Group): string[] {
  return members.map(({ machine }) => machine);
}

function viewGroup(group: Group): GroupInfo {
  return {
    id: group.id,
    name: nameOf(group),
    created: createdOf(group),
    members: group.members.map(({ machine, checkpoint }) => ({ machine, checkpoint: viewCheckpoint(checkpoint) })),
  };
}
