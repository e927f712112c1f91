import { findCheckpoint } from '../model/tree.ts';
import type { CopyOperations } from '../protocol/copies.ts';
import type { MachineInfo } from '../protocol/machines.ts';
import { cloneCheckpoint, cloneNow } from './clone.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { exportCheckpoint, exportMachine } from './export.ts';
import { flatten } from './flatten.ts';
import { importMachine } from './import.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { changeMachine } from './open-machine.ts';
import type { CheckpointService } from './checkpoint-service.ts';

type CopyCalls = {
  [K in keyof CopyOperations]: (
    params: CopyOperations[K]['params'],
    call: Call,
  ) => Promise<CopyOperations[K]['result']>;
};

/** The operations that make machines of machines, once for all faces. */
export class CopyService implements CopyCalls {
  readonly #context: EngineContext;
  readonly #machines: Pick<CheckpointService, 'show'>;

  constructor(context: EngineContext, machines: Pick<CheckpointService, 'show'>) {
    this.#context = context;
    this.#machines = machines;
  }

  async clone(params: CopyOperations['clone']['params'], call: Call): Promise<CopyOperations['clone']['result']> {
    const started = performance.now();
    const context = this.#context;
    const options = { name: params.name, isIndependent: params.full === true };
    const name = await changeMachine(context, params.machine, 'clone', (machine) =>
      params.checkpoint === undefined
        ? cloneNow(context, machine, options, call)
        : cloneCheckpoint(
            context,
            machine,
            findCheckpoint({ machine: machine.records.definition.name, ...machine.records }, params.checkpoint),
            options,
            call,
          ),
    );
    return { machine: await this.#view(name), totalMs: Math.round(performance.now() - started) };
  }

  async flatten(params: CopyOperations['flatten']['params'], call: Call): Promise<CopyOperations['flatten']['result']> {
    const copiedBytes = await changeMachine(this.#context, params.machine, 'flatten', (machine) =>
      flatten(this.#context, machine, call),
    );
    return { machine: await this.#view(params.machine), copiedBytes };
  }

  async export(params: CopyOperations['export']['params'], call: Call): Promise<CopyOperations['export']['result']> {
    const { machine, target, checkpoint, to } = params;
    if (checkpoint === undefined && to !== undefined) {
      throw new CheckpointError(
        'InvalidArgument',
        'A whole machine keeps the format of its disks. Name a checkpoint to export its disks in another one.',
        { to },
      );
    }
    return changeMachine(this.#context, machine, 'export', (open) =>
      checkpoint === undefined
        ? exportMachine(this.#context, open, target, call)
        : exportCheckpoint(
            open,
            findCheckpoint({ machine: open.records.definition.name, ...open.records }, checkpoint),
            target,
            to ?? 'qcow2',
            call,
          ),
    );
  }

  async import(params: CopyOperations['import']['params'], call: Call): Promise<CopyOperations['import']['result']> {
    return { machine: await this.#view(await importMachine(this.#context, params.folder, params.name, call)) };
  }

  async #view(machine: string): Promise<MachineInfo> {
    return (await this.#machines.show({ machine })).machine;
  }
}
