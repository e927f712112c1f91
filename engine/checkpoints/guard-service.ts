import type { Checkpoint } from '../model/checkpoint.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { commandName, growsFrom, openGuard, sameFirmware } from '../model/guard.ts';
import { findCheckpoint } from '../model/tree.ts';
import { openLayer } from '../disks/open-chain.ts';
import type { GuardInfo } from '../protocol/guard-info.ts';
import type { GuardOperations } from '../protocol/guards.ts';
import { LayerFiles } from '../store/layer-files.ts';
import { processIdentity } from '../store/process-identity.ts';
import type { CheckpointService } from './checkpoint-service.ts';
import { deleteCheckpoints } from './delete.ts';
import { hostOf, signalOf, type Call, type EngineContext } from './engine-context.ts';
import { readMachine, type OpenMachine } from './locked-machine.ts';
import { viewCheckpoint } from './machine-summary.ts';
import { changeCheckpoint } from './one-record.ts';
import { changeMachine, findMachine } from './open-machine.ts';
import { take } from './take.ts';

type GuardParams<K extends keyof GuardOperations> = GuardOperations[K]['params'];
type GuardResult<K extends keyof GuardOperations> = GuardOperations[K]['result'];
type GuardCalls = { [K in keyof GuardOperations]: (params: GuardParams<K>, call: Call) => Promise<GuardResult<K>> };
type EndParams = GuardParams<'guardEnd'>;

/**
 * The operations on guards. Each step is an operation of its own, that happens whole or not at all; between them the guard
 * is on record as open, and {@link GuardService.guardEnd} goes on from whichever step it got to.
 */
export class GuardService implements GuardCalls {
  readonly #context: EngineContext;
  readonly #machines: Pick<CheckpointService, 'show' | 'apply'>;

  constructor(context: EngineContext, machines: Pick<CheckpointService, 'show' | 'apply'>) {
    this.#context = context;
    this.#machines = machines;
  }

  async guardBegin(params: GuardParams<'guardBegin'>, call: Call): Promise<GuardResult<'guardBegin'>> {
    const { machine, command, where = 'here', ...options } = params;
    const identity = await processIdentity(process.pid);
    const guard: GuardInfo = {
      command,
      where,
      process: { pid: process.pid, ...(identity === undefined ? {} : { identity }) },
    };
    const { checkpoint, ...rest } = await changeMachine(this.#context, machine, 'take', async (open) => {
      if (where === 'guest' && open.presence.state !== 'running') {
        throw new CheckpointError(
          'MachineNotRunning',
          `Machine “${open.records.definition.name}” is ${open.presence.state}, so no command can run in its guest. Start it first.`,
          { machine },
        );
      }
      const name = options.name ?? `before ${commandName(command)}`;
      return take(this.#context, open, { ...options, name, createdBy: 'guard', guard }, call);
    });
    return {
      machine: await this.#show(machine),
      checkpoint: viewCheckpoint(checkpoint),
      ...rest,
    };
  }

  async guardEnd(params: EndParams, call: Call): Promise<GuardResult<'guardEnd'>> {
    const before = await this.#openGuard(params);
    if (params.outcome === 'revert') {
      const { kept, steps } = await this.#machines.apply({ machine: params.machine, checkpoint: before.id }, call);
      const ended = await this.#settle(params, before);
      return this.#result(params, ended, {
        ...(kept === undefined ? {} : { kept }),
        ...(steps === undefined ? {} : { steps }),
        isEmpty: false,
      });
    }
    const after = await changeMachine(this.#context, params.machine, 'take', (open) =>
      this.#takeAfter(open, before, call),
    );
    const isEmpty =
      after !== undefined &&
      (await changeMachine(this.#context, params.machine, 'delete', (open) => this.#dropEmpty(open, before, after)));
    const ended = isEmpty ? before : await this.#settle(params, before);
    return this.#result(params, ended, { ...(after === undefined ? {} : { after: viewCheckpoint(after) }), isEmpty });
  }

  async guestExec(params: GuardParams<'guestExec'>, call: Call): Promise<GuardResult<'guestExec'>> {
    const folder = await findMachine(this.#context, params.machine);
    const { definition } = await readMachine(folder);
    const { output, errorOutput, ...end } = await hostOf(this.#context, definition).execInGuest(folder, {
      command: params.command,
      ...(params.timeoutSeconds === undefined ? {} : { limitMs: params.timeoutSeconds * 1000 }),
      ...signalOf(call),
    });
    return { ...end, output: output.toString('base64'), errorOutput: errorOutput.toString('base64') };
  }

  async #openGuard({ machine, checkpoint }: EndParams): Promise<Checkpoint> {
    const { records } = await seen(this.#context, machine);
    const tree = { machine: records.definition.name, ...records };
    const before = checkpoint === undefined ? openGuard(tree) : findCheckpoint(tree, checkpoint);
    if (before.guard === undefined || before.guard.end !== undefined) {
      throw new CheckpointError(
        'InvalidArgument',
        `“${before.name}” is no checkpoint of a guard that has not ended: nothing waits for its end.`,
        { machine, checkpoint: before.id },
      );
    }
    return before;
  }

  /** Undefined where Now is no longer what came out of the command. */
  async #takeAfter(open: OpenMachine, before: Checkpoint, call: Call): Promise<Checkpoint | undefined> {
    const { checkpoints, now } = open.records;
    const taken = checkpoints.find(({ guardOf }) => guardOf === before.id);
    if (taken !== undefined || !growsFrom({ checkpoints, now }, before.id)) {
      return taken;
    }
    const name = `after ${commandName(before.guard?.command ?? [])}`;
    const withMemory = before.memory === undefined ? { memory: false } : {};
    const options = { name, createdBy: 'guard' as const, guardOf: before.id, ...withMemory };
    return (await take(this.#context, open, options, call)).checkpoint;
  }

  /** A pair between which nothing was written goes to the trash. */
  async #dropEmpty(open: OpenMachine, before: Checkpoint, after: Checkpoint): Promise<boolean> {
    const { folder, records } = open;
    const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
    const isEmpty =
      after.parent === before.id && sameFirmware(before.firmware, after.firmware) && (await holdsNothing(files, after));
    if (isEmpty) {
      const pair = new Set([before.id, after.id]);
      await deleteCheckpoints(
        this.#context,
        open,
        records.checkpoints.filter(({ id }) => pair.has(id)),
      );
    }
    return isEmpty;
  }

  async #settle(params: EndParams, { id }: Checkpoint): Promise<Checkpoint> {
    return changeMachine(this.#context, params.machine, 'annotate', async (open) => {
      const before = findCheckpoint({ machine: open.records.definition.name, ...open.records }, id);
      open.about.push(before.name);
      if (before.guard === undefined) {
        return before;
      }
      const outcome = params.outcome === 'keep' ? ('kept' as const) : ('reverted' as const);
      const end = { at: new Date().toISOString(), outcome, ...params.end };
      const ended = { ...before, guard: { ...before.guard, end } };
      await changeCheckpoint(this.#context, open.folder, ended);
      return ended;
    });
  }

  async #result(
    { machine }: EndParams,
    before: Checkpoint,
    rest: Pick<GuardResult<'guardEnd'>, 'after' | 'kept' | 'steps' | 'isEmpty'>,
  ): Promise<GuardResult<'guardEnd'>> {
    return { machine: await this.#show(machine), before: viewCheckpoint(before), ...rest };
  }

  async #show(machine: string): Promise<GuardResult<'guardEnd'>['machine']> {
    return (await this.#machines.show({ machine })).machine;
  }
}

async function seen(context: EngineContext, machine: string): Promise<Pick<OpenMachine, 'records'>> {
  return changeMachine(context, machine, 'look at a guard', (open) => Promise.resolve(open));
}

/** True when the layers of a checkpoint hold nothing of their own: all that it shows is its parent's. */
async function holdsNothing(files: LayerFiles, { layers }: Checkpoint): Promise<boolean> {
  for (const disk of files.disks) {
    const layer = await openLayer(files.fileOf(disk, files.layerOf(layers, disk)), 'read');
    try {
      for await (const { state } of layer.extents(0, layer.virtualSizeBytes)) {
        if (state !== 'parent') {
          return false;
        }
      }
    } finally {
      await layer.close();
    }
  }
  return true;
}
