import { CheckpointError } from '../model/checkpoint-error.ts';
import type { GroupInfo, GroupOperations } from '../protocol/groups.ts';
import type { ResumeStep } from '../protocol/resume-steps.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import type { CheckpointService } from './checkpoint-service.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { applyGroup, createdOf, deleteGroup, findGroup, nameOf, readGroups, takeGroup, type Group } from './groups.ts';
import { viewCheckpoint } from './machine-summary.ts';
import { changeAll, findMachine } from './open-machine.ts';
import { leaving, welcomeBack } from './welcome-back.ts';
import { outlivingWindow } from './window-end.ts';

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
    if (folders.length === 0) {
      throw new CheckpointError('InvalidArgument', 'A group needs machines. Name each of them with --machine.', {});
    }
    const { id, problems } = await changeAll(this.#context, folders, 'take a group', (open) =>
      takeGroup(this.#context, open, options, outlivingWindow(call)),
    );
    return { ...(await this.#result(await findGroup(this.#context, id))), problems };
  }

  async groupApply(params: GroupParams<'groupApply'>, call: Call): Promise<GroupResult<'groupApply'>> {
    const { group: reference, ...options } = params;
    const group = await findGroup(this.#context, reference);
    const steps: Record<string, ResumeStep[]> = {};
    await changeAll(this.#context, foldersOf(group), 'apply a group', async (open) => {
      const left = await Promise.all(open.map((machine) => leaving(this.#context, machine)));
      await applyGroup(this.#context, open, group, options, call);
      await Promise.all(
        group.members.map(async ({ folder, machine, checkpoint }) => {
          const { hadConsole } = left.find((one) => one.folder.path === folder.path) ?? { hadConsole: false };
          const welcome = await welcomeBack(this.#context, { folder, hadConsole }, checkpoint, options, call);
          if (welcome.steps !== undefined) {
            steps[machine] = welcome.steps;
          }
        }),
      );
    });
    return { ...(await this.#result(group)), steps };
  }

  async groupDelete(params: GroupParams<'groupDelete'>): Promise<GroupResult<'groupDelete'>> {
    const group = await findGroup(this.#context, params.group);
    await changeAll(this.#context, foldersOf(group), 'delete a group', (open) =>
      deleteGroup(this.#context, open, group),
    );
    return this.#result(group);
  }

  async #result(group: Group): Promise<GroupResult<'groupDelete'>> {
    const shown = await Promise.all(machinesOf(group).map((machine) => this.#machines.show({ machine })));
    return { group: viewGroup(group), machines: shown.map(({ machine }) => machine) };
  }
}

function machinesOf({ members }: Group): string[] {
  return members.map(({ machine }) => machine);
}

function foldersOf({ members }: Group): MachineFolder[] {
  return members.map(({ folder }) => folder);
}

function viewGroup(group: Group): GroupInfo {
  return {
    id: group.id,
    name: nameOf(group),
    created: createdOf(group),
    members: group.members.map(({ machine, checkpoint }) => ({ machine, checkpoint: viewCheckpoint(checkpoint) })),
  };
}
