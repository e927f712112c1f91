import path from 'node:path';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { JsonText } from '../model/json-text.ts';
import { checkpointName } from '../model/names.ts';
import { shownProblem } from '../model/sayings.ts';
import { chosenForDelete, findCheckpoint, keptLast, parentOfNow, undoneLast, type Tree } from '../model/tree.ts';
import type { MachineInfo, MachineState } from '../protocol/machines.ts';
import type { CompareOperations } from '../protocol/compare.ts';
import type { MachineGroupOperations } from '../protocol/machine-groups.ts';
import type { CopyOperations } from '../protocol/copies.ts';
import type { GroupOperations } from '../protocol/groups.ts';
import type { DiskOperations } from '../protocol/disks.ts';
import type { JobOperations } from '../protocol/jobs.ts';
import type { LifeOperations } from '../protocol/life.ts';
import type { DoctorOperations } from '../protocol/doctor.ts';
import type { GuardOperations } from '../protocol/guards.ts';
import type { HistoryOperations } from '../protocol/history.ts';
import type { LayerOperations } from '../protocol/layers.ts';
import type { MergeOperations } from '../protocol/merges.ts';
import type { PackOperations } from '../protocol/packing.ts';
import type { PlanOperations } from '../protocol/plans.ts';
import type { RetentionOperations } from '../protocol/retention.ts';
import type { SpaceOperations } from '../protocol/space.ts';
import type { ApplyOptions, ApplyResult, OperationName, Params, Result } from '../protocol/operations.ts';
import type { ResumeStep } from '../protocol/resume-steps.ts';
import type { SerialPort } from '../hosts/host.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { oweWelcome } from '../store/owed-welcome.ts';
import { withAnnotation, withName } from './annotate.ts';
import { apply, type ApplyOperation } from './apply.ts';
import { deleteCheckpoints } from './delete.ts';
import { deleteForGood, discardForGood, type Purged } from './delete-for-good.ts';
import { requireNoClones } from './clone-records.ts';
import { hostOf, type Call, type EngineContext } from './engine-context.ts';
import { layersBeside, requireNotLinked } from './layers-beside.ts';
import type { ForsakenChanges } from './forsaken-changes.ts';
import { listImages } from './image-library.ts';
import { MachineLooks } from './machine-looks.ts';
import { viewCheckpoint } from './machine-summary.ts';
import { keepLast } from './keep-last.ts';
import { addMachine, createMachine } from './new-machine.ts';
import { changeCheckpoint } from './one-record.ts';
import { notRunning, requireStopped, requireUp, type OpenMachine } from './locked-machine.ts';
import { machineFolders } from './machine-folders.ts';
import { changeMachine, findMachine } from './open-machine.ts';
import { requireRoomToGoOn } from './resume.ts';
import { endRemovals, removeSetAside, setAside } from './staging.ts';
import { sightMachine } from './running-times.ts';
import { startMachine } from './saved-state.ts';
import { requireSpaceToPurge } from './space-check.ts';
import { showCheckpoint } from './show-checkpoint.ts';
import type { SpaceWatch } from './space-watch.ts';
import { take, type Taken } from './take.ts';
import { outlivingWindow } from './window-end.ts';
import { findTrashed, restoreFromTrash } from './trash.ts';
import { leaving, welcome, welcomeBack } from './welcome-back.ts';
import type { Checkpoint, TrashedCheckpoint } from '../model/checkpoint.ts';
import { stateUnread } from '../model/unread-machine.ts';

const defaultShutDownLimitSeconds = 60;

/** The operations of the product, once for all faces. Each call is one of `engine/protocol/operations.ts`. */
export class CheckpointService implements ServiceCalls {
  readonly #context: EngineContext;
  readonly #looks: MachineLooks;
  readonly #spaceWatch: Pick<SpaceWatch, 'glance'>;

  constructor(context: EngineContext, spaceWatch: Pick<SpaceWatch, 'glance'>, forsaken: ForsakenChanges) {
    this.#context = context;
    this.#looks = new MachineLooks(context, forsaken);
    this.#spaceWatch = spaceWatch;
  }

  async list(): Promise<Result<'list'>> {
    const hosts = await this.#looks.list();
    return { ...(await this.#warnings(hosts.flatMap(({ machines }) => machines))), hosts };
  }

  /**
   * As {@link list}, as text and without a look at each record before the answer: see {@link MachineLooks.listFirst}.
   * @param onDifferent gets the name of each machine that the answer was not right of, soon after it
   */
  async listText(onDifferent: (machine: string) => void): Promise<JsonText> {
    const { machines, hosts } = await this.#looks.listFirst(onDifferent);
    const warnings = JSON.stringify(await this.#warnings(machines));
    const before = warnings === '{}' ? '{' : `${warnings.slice(0, -1)},`;
    return new JsonText([Buffer.from(`${before}"hosts":`), ...hosts.pieces, Buffer.from('}')]);
  }

  async #warnings(machines: readonly Pick<MachineInfo, 'name' | 'state'>[]): Promise<Omit<Result<'list'>, 'hosts'>> {
    const running = machines.filter(({ state }) => state === 'running').map(({ name }) => name);
    const warnings = await this.#spaceWatch.glance(new Set(running));
    return warnings.length === 0 ? {} : { warnings };
  }

  async show(params: Params<'show'>): Promise<Result<'show'>> {
    await this.#looks.endGroups();
    const folder = await findMachine(this.#context, params.machine);
    const shown = await this.#looks.showWithLayers(folder);
    return params.checkpoint === undefined ? shown : { ...shown, ...(await showCheckpoint(folder, params.checkpoint)) };
  }

  async images(): Promise<Result<'images'>> {
    return { images: await listImages(this.#context.home) };
  }

  async createMachine(params: Params<'createMachine'>, call: Call): Promise<Result<'createMachine'>> {
    const machine = await createMachine(this.#context, params, call);
    return { machine: (await this.show({ machine })).machine };
  }

  async addMachine(params: Params<'addMachine'>, call: Call): Promise<Result<'addMachine'>> {
    const machine = await addMachine(this.#context, params, call);
    return { machine: (await this.show({ machine })).machine };
  }

  async removeMachine(params: Params<'removeMachine'>): Promise<Result<'removeMachine'>> {
    const folder = await findMachine(this.#context, params.machine);
    const name = path.basename(folder.path);
    const doomed = await changeMachine(this.#context, params.machine, 'remove', async (machine) => {
      requireStopped(machine, 'removing it');
      requireNoClones(machine, 'it is removed');
      await requireNotLinked(this.#context, machine);
      return setAside(this.#context, folder, await layersBeside(this.#context, machine));
    });
    await removeSetAside(this.#context, doomed);
    await endRemovals(this.#context).catch(() => undefined);
    return { removed: name };
  }

  async start(params: Params<'start'>, call: Call): Promise<Result<'start'>> {
    let steps: ResumeStep[] | undefined;
    const { machine } = await this.#change(params.machine, 'start', async (open) => {
      await startMachine(this.#context, open, call);
      const { definition, now } = open.records;
      steps = now.memory && (await welcome(hostOf(this.#context, definition), open.folder));
    });
    return { machine, ...(steps === undefined ? {} : { steps }) };
  }

  async stop(params: Params<'stop'>, call: Call): Promise<Result<'stop'>> {
    if (params.force === true) {
      return this.#change(
        params.machine,
        'stop',
        async () => undefined,
        (folder) => this.#powerOff(folder),
      );
    }
    return this.#change(params.machine, 'stop', async (machine) => {
      requireUp(machine);
      const { name } = machine.records.definition;
      if (machine.presence.state === 'paused') {
        throw new CheckpointError(
          'MachinePaused',
          `Machine “${name}” is paused, so its guest cannot shut down. Resume it first, or force it off.`,
          { machine: name },
        );
      }
      call.report?.('Waiting for the guest to shut down');
      await hostOf(this.#context, machine.records.definition).shutDown(
        machine.folder,
        (params.timeoutSeconds ?? defaultShutDownLimitSeconds) * 1000,
        call.signal,
      );
    });
  }

  /** Comes before any recovery: a hypervisor that hangs would let that fail. */
  async #powerOff(folder: MachineFolder): Promise<void> {
    const name = path.basename(folder.path);
    const { qemu } = this.#context.hosts;
    const presence = await qemu.look(folder);
    if (presence.state === 'stopped') {
      throw notRunning(name, false, presence.problem);
    }
    await sightMachine(this.#context, folder, () => Promise.resolve(presence));
    await qemu.powerOff(folder);
  }

  async pause(params: Params<'pause'>): Promise<Result<'pause'>> {
    return this.#change(params.machine, 'pause', async (machine) => {
      requireUp(machine);
      await hostOf(this.#context, machine.records.definition).pause(machine.folder);
    });
  }

  async resume(params: Params<'resume'>): Promise<Result<'resume'>> {
    let steps: ResumeStep[] = [];
    const { machine } = await this.#change(params.machine, 'resume', async (open) => {
      requireUp(open);
      await requireRoomToGoOn(open);
      const host = hostOf(this.#context, open.records.definition);
      // On a full volume the guest goes on all the same.
      await oweWelcome(open.folder).catch(() => undefined);
      await host.resume(open.folder);
      steps = await welcome(host, open.folder);
    });
    return { machine, steps };
  }

  async take(params: Params<'take'>, call: Call): Promise<Result<'take'>> {
    const started = performance.now();
    if (params.keepLast !== undefined && params.name === undefined) {
      throw new CheckpointError('InvalidArgument', 'What is kept goes by the name: give the checkpoint one.', {
        field: 'name',
      });
    }
    let taken: Taken | undefined;
    const { machine } = await this.#change(params.machine, 'take', async (open) => {
      // A window that is closed while memory is saved is no reason to throw that away.
      taken = await take(this.#context, open, params, outlivingWindow(call));
    });
    const { checkpoint, ...rest } = done(taken);
    const result = { machine, checkpoint: viewCheckpoint(checkpoint), ...rest, totalMs: since(started) };
    if (params.keepLast === undefined) {
      return result;
    }
    const problem = await keepLast(this.#context, params.machine, checkpoint.id, params.keepLast);
    const { machine: shown } = await this.show({ machine: params.machine });
    return { ...result, machine: shown, ...shownProblem(problem && [problem]) };
  }

  async apply(params: Params<'apply'>, call: Call): Promise<Result<'apply'>> {
    return this.#apply(params.machine, 'apply', (tree) => findCheckpoint(tree, params.checkpoint), params, call);
  }

  async revert(params: Params<'revert'>, call: Call): Promise<Result<'revert'>> {
    return this.#apply(params.machine, 'apply', parentOfNow, params, call);
  }

  async undo(params: Params<'undo'>, call: Call): Promise<Result<'undo'>> {
    return this.#apply(params.machine, 'undo', keptLast, {}, call);
  }

  async #apply(
    machine: string,
    operation: ApplyOperation,
    choose: (tree: Tree) => Checkpoint,
    options: ApplyOptions,
    call: Call,
  ): Promise<ApplyResult> {
    const started = performance.now();
    let outcome: Omit<ApplyResult, 'machine'> | undefined;
    const changed = await this.#change(machine, operation, async (open) => {
      const target = choose(treeOf(open));
      const left = await leaving(this.#context, open);
      const { kept } = await apply(this.#context, open, target, operation, options, call);
      outcome = {
        applied: viewCheckpoint(target),
        ...(kept === undefined ? {} : { kept: viewCheckpoint(kept) }),
        totalMs: since(started),
        ...(await welcomeBack(this.#context, left, target, options, call)),
      };
    });
    return { machine: changed.machine, ...done(outcome) };
  }

  async redo(params: Params<'redo'>, call: Call): Promise<Result<'redo'>> {
    return this.#apply(params.machine, 'redo', undoneLast, {}, call);
  }

  async delete(params: Params<'delete'>, call: Call = {}): Promise<Result<'delete'>> {
    let named: Checkpoint | undefined;
    let deleted: Checkpoint[] = [];
    let gone: Purged = { freedBytes: 0, movedBytes: 0 };
    const { machine } = await this.#change(params.machine, 'delete', async (open) => {
      named = findCheckpoint(treeOf(open), params.checkpoint);
      deleted = chosenForDelete(treeOf(open), params);
      if (params.purge === true) {
        await requireSpaceToPurge(this.#context, open, new Set(deleted.map(({ id }) => id)));
        gone = await deleteForGood(this.#context, open, deleted, call);
      } else {
        await deleteCheckpoints(this.#context, open, deleted);
      }
    });
    return { machine, deleted: viewCheckpoint(done(named)), all: deleted.map(viewCheckpoint), ...gone };
  }

  async restore(params: Params<'restore'>): Promise<Result<'restore'>> {
    let restored: Checkpoint | undefined;
    const { machine } = await this.#change(params.machine, 'restore', async (open) => {
      restored = await restoreFromTrash(this.#context, open, findTrashed(open.records, params.checkpoint));
    });
    return { machine, checkpoint: viewCheckpoint(done(restored)) };
  }

  async emptyTrash(params: Params<'emptyTrash'>, call: Call): Promise<Result<'emptyTrash'>> {
    let discarded: TrashedCheckpoint[] = [];
    let gone: Purged = { freedBytes: 0, movedBytes: 0 };
    const { machine } = await this.#change(params.machine, 'empty the trash', async (open) => {
      const { trash } = open.records;
      discarded = params.checkpoint === undefined ? trash : [findTrashed(open.records, params.checkpoint)];
      gone = await discardForGood(this.#context, open, new Set(discarded.map(({ checkpoint }) => checkpoint.id)), call);
    });
    return { machine, discarded: discarded.map(({ checkpoint }) => viewCheckpoint(checkpoint)), ...gone };
  }

  async annotate(params: Params<'annotate'>): Promise<Result<'annotate'>> {
    let annotated: Checkpoint | undefined;
    const { machine } = await this.#change(params.machine, 'annotate', async (open) => {
      annotated = withAnnotation(findCheckpoint(treeOf(open), params.checkpoint), params);
      open.about.push(annotated.name);
      await changeCheckpoint(this.#context, open.folder, annotated);
    });
    return { machine, checkpoint: viewCheckpoint(done(annotated)) };
  }

  async rename(params: Params<'rename'>): Promise<Result<'rename'>> {
    const name = checkpointName(params.name);
    let renamed: Checkpoint | undefined;
    const { machine } = await this.#change(params.machine, 'rename', async (open) => {
      const before = findCheckpoint(treeOf(open), params.checkpoint);
      open.about.push(before.name, name);
      renamed = withName(before, name);
      await changeCheckpoint(this.#context, open.folder, renamed);
    });
    return { machine, checkpoint: viewCheckpoint(done(renamed)) };
  }

  /** State of every machine by name, without reading more than that takes. */
  async states(): Promise<Map<string, MachineState>> {
    const folders = await machineFolders(this.#context);
    const states = await Promise.all(
      folders.map(async (folder): Promise<[string, MachineState]> => {
        return [path.basename(folder.path), await this.#stateOf(folder)];
      }),
    );
    return new Map(states);
  }

  async #stateOf(folder: MachineFolder): Promise<MachineState> {
    try {
      folder.requireReachable();
      return (await this.#context.hosts.qemu.look(folder)).state;
    } catch (error) {
      return stateUnread(error);
    }
  }

  /** How to reach the serial port; undefined while the machine is stopped. */
  async serialPort(machine: string): Promise<SerialPort | undefined> {
    return this.#context.hosts.qemu.serialPort(await findMachine(this.#context, machine));
  }

  async #change(
    reference: string,
    operation: string,
    change: (machine: OpenMachine) => Promise<void>,
    first?: (folder: MachineFolder) => Promise<void>,
  ): Promise<{ machine: MachineInfo }> {
    const changed = async (machine: OpenMachine): Promise<MachineFolder> => {
      await change(machine);
      return machine.folder;
    };
    const folder = await changeMachine(this.#context, reference, operation, changed, first);
    return { machine: await this.#looks.show(folder) };
  }
}

/** One method for each operation on machines. */
export type ServiceCalls = {
  [
    K in Exclude<
      OperationName,
      | 'about'
      | keyof CopyOperations
      | keyof GroupOperations
      | keyof DiskOperations
      | keyof JobOperations
      | keyof LifeOperations
      | keyof RetentionOperations
      | keyof SpaceOperations
      | keyof DoctorOperations
      | keyof MergeOperations
      | keyof LayerOperations
      | keyof HistoryOperations
      | keyof CompareOperations
      | keyof MachineGroupOperations
      | keyof PackOperations
      | keyof PlanOperations
      | keyof GuardOperations
    >
  ]: (params: Params<K>, call: Call) => Promise<Result<K>>;
};

function treeOf({ records }: OpenMachine): Tree {
  return { machine: records.definition.name, checkpoints: records.checkpoints, now: records.now };
}

function done<T>(value: T | undefined): T {
  if (value === undefined) {
    throw new Error('The change ended without an outcome.');
  }
  return value;
}

function since(started: number): number {
  return Math.round(performance.now() - started);
}
