import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Checkpoint } from '../model/checkpoint.ts';
import { checkpointName } from '../model/names.ts';
import { chosenForDelete, findCheckpoint, keptLast, parentOfNow, undoneLast, type Tree } from '../model/tree.ts';
import type { ApplyOptions, Params } from '../protocol/operations.ts';
import type { OperationPlan, PlannedOperation, PlanOperations, PlanStep } from '../protocol/plans.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { MachineRecords } from '../store/machine-folder.ts';
import { withAnnotation, withName } from './annotate.ts';
import { decideApply, type ApplyOperation } from './apply.ts';
import { requireNoClones } from './clone-records.ts';
import { decidePurge } from './decide-purge.ts';
import { decideDelete } from './delete.ts';
import {
  decideDiskCheck,
  decideDiskCompact,
  decideDiskConvert,
  decideDiskCreate,
  decideDiskMerge,
  decideDiskRebase,
  decideDiskResize,
  type DiskDecision,
} from './disk-decisions.ts';
import type { EngineContext } from './engine-context.ts';
import { requireFormatOfCheckpoint } from './export.ts';
import { bytesBelow, decideFlatten } from './flatten.ts';
import { findGroup, memberOf, naming, groupTakeOptions, takeOfMember, type Group } from './groups.ts';
import { releasableLayers } from './layer-graph.ts';
import { layersBeside, requireNotLinked } from './layers-beside.ts';
import { verifyParents } from './layers.ts';
import { requireStopped, type OpenMachine } from './locked-machine.ts';
import { decideMove, placeToMoveTo } from './move.ts';
import { findMachine, seeMachine, type SeenMachine } from './open-machine.ts';
import { parseParams } from './operation-params.ts';
import { planClone, planExport, planImportFolder } from './plan-copies.ts';
import { sizeOf, wholePlan, type WeighedPart } from './plan-part.ts';
import {
  applySteps,
  changeSteps,
  deleteSteps,
  flattenSteps,
  moveSteps,
  purgeSteps,
  restoreSteps,
  takeSteps,
  treeOf,
} from './plan-steps.ts';
import { requireSpaceToPurge } from './space-check.ts';
import { decideTake } from './take.ts';
import { decideRestore, findTrashed } from './trash.ts';

type Planners = { [K in PlannedOperation]: (params: Params<K>) => Promise<OperationPlan> };

/**
 * Tells what operations would do. Each plan comes from the decision that the operation itself carries out; nothing is
 * locked and nothing is written.
 */
export class PlanService {
  readonly #context: EngineContext;

  constructor(context: EngineContext) {
    // What is only looked at leaves no word in a log either.
    this.#context = { ...context, log: { info: () => undefined, error: () => undefined } };
  }

  async plan({ operation, params }: PlanOperations['plan']['params']): Promise<OperationPlan> {
    return planWith(operation, this.#planners[operation], params);
  }

  get #planners(): Planners {
    const context = this.#context;
    return {
      removeMachine: (params) => this.#on('removeMachine', params.machine, (machine) => removal(context, machine)),
      take: (params) => this.#on('take', params.machine, (machine) => this.#take(machine, params)),
      apply: (params) =>
        this.#apply('apply', params.machine, 'apply', (tree) => findCheckpoint(tree, params.checkpoint), params),
      revert: (params) => this.#apply('revert', params.machine, 'apply', parentOfNow, params),
      undo: (params) => this.#apply('undo', params.machine, 'undo', keptLast, {}),
      redo: (params) => this.#apply('redo', params.machine, 'redo', undoneLast, {}),
      delete: (params) => this.#on('delete', params.machine, (machine) => this.#delete(machine, params)),
      restore: (params) =>
        this.#on('restore', params.machine, async (machine) => {
          const trashed = findTrashed(machine.records, params.checkpoint);
          return restoreSteps(machine, await decideRestore(machine.folder, machine.records, trashed));
        }),
      emptyTrash: (params) =>
        this.#on('emptyTrash', params.machine, async (machine) => {
          const { records } = machine;
          const trashed = params.checkpoint === undefined ? records.trash : [findTrashed(records, params.checkpoint)];
          const decided = await decidePurge(machine, { checkpoints: [], trashed }, {});
          return { ...purgeSteps(machine, decided), needs: decided.needs, freed: decided.freed };
        }),
      annotate: (params) =>
        this.#on('annotate', params.machine, async (machine) => {
          const checkpoint = findCheckpoint(treeOf(machine), params.checkpoint);
          return changeSteps(checkpoint, withAnnotation(checkpoint, params));
        }),
      rename: (params) => {
        const name = checkpointName(params.name);
        return this.#on('rename', params.machine, async (machine) => {
          const checkpoint = findCheckpoint(treeOf(machine), params.checkpoint);
          return changeSteps(checkpoint, withName(checkpoint, name));
        });
      },
      clone: (params) => this.#on('clone', params.machine, (machine) => planClone(context, machine, params)),
      flatten: (params) =>
        this.#on('flatten', params.machine, async (machine) => {
          const decided = await decideFlatten(context, machine, {});
          const { definition, now } = machine.records;
          const files = new LayerFiles(machine.folder, definition, now.activeLayers);
          return { ...flattenSteps(decided, await bytesBelow(files, decided.lowest)), needs: decided.needs };
        }),
      move: async (params) => {
        const place = await placeToMoveTo(context, params.folder);
        return this.#on('move', params.machine, async (machine) => {
          const decided = await decideMove(context, machine, place);
          return { ...moveSteps(decided), needs: decided.needs };
        });
      },
      export: async (params) => {
        requireFormatOfCheckpoint(params);
        return this.#on('export', params.machine, (machine) => planExport(context, machine, params));
      },
      import: (params) => planImportFolder(context, params),
      groupTake: (params) => this.#groupTake(params),
      groupApply: async (params) => {
        const { group: reference, ...options } = params;
        const group = await findGroup(context, reference);
        return this.#onAll('groupApply', machinesOf(group), (machine) =>
          this.#applied(machine, memberOf(group, machine), 'apply', options),
        );
      },
      groupDelete: async (params) => {
        const group = await findGroup(context, params.group);
        return this.#onAll('groupDelete', machinesOf(group), async (machine) =>
          deleteSteps(machine, decideDelete(machine.records, [memberOf(group, machine)], new Date())),
        );
      },
      diskCreate: (params) => diskPlan('diskCreate', params.file, decideDiskCreate(params)),
      diskCheck: (params) => diskPlan('diskCheck', params.file, decideDiskCheck(params, {})),
      diskMerge: (params) => diskPlan('diskMerge', params.file, decideDiskMerge(params, {})),
      diskConvert: (params) => diskPlan('diskConvert', params.target, decideDiskConvert(params, {})),
      diskCompact: (params) => diskPlan('diskCompact', params.file, decideDiskCompact(params, {})),
      diskResize: (params) => diskPlan('diskResize', params.file, decideDiskResize(params, {})),
      diskRebase: (params) => diskPlan('diskRebase', params.file, decideDiskRebase(params, {})),
    };
  }

  async #take(
    machine: OpenMachine,
    params: Omit<Params<'take'>, 'machine'> & { group?: string },
  ): Promise<WeighedPart> {
    const decided = await decideTake(this.#context, machine, params);
    const { definition, now } = machine.records;
    await verifyParents(new LayerFiles(machine.folder, definition, now.activeLayers), now.activeLayers);
    return { ...takeSteps(machine, decided), needs: decided.needs };
  }

  #apply(
    operation: PlannedOperation,
    reference: string,
    as: ApplyOperation,
    choose: (tree: Tree) => Checkpoint,
    options: ApplyOptions,
  ): Promise<OperationPlan> {
    return this.#on(operation, reference, (machine) => this.#applied(machine, choose(treeOf(machine)), as, options));
  }

  async #applied(
    machine: OpenMachine,
    target: Checkpoint,
    as: ApplyOperation,
    options: ApplyOptions,
  ): Promise<WeighedPart> {
    const decided = await decideApply(this.#context, machine, target, as, options);
    const { folder, records } = machine;
    const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
    if (!decided.journal.reusesLayers) {
      await verifyParents(files, target.layers);
    }
    // The layers that Now will have stand on those of the target, so they need what that needs.
    const left: MachineRecords = { ...records, now: { ...records.now, activeLayers: target.layers } };
    const released = await releasableLayers(files, left, decided.journal.releasedLayers);
    return { ...applySteps(machine, decided, released, sizeOf), needs: decided.needs };
  }

  async #delete(machine: OpenMachine, params: Params<'delete'>): Promise<WeighedPart> {
    const deleted = chosenForDelete(treeOf(machine), params);
    if (params.purge !== true) {
      return deleteSteps(machine, decideDelete(machine.records, deleted, new Date()));
    }
    await requireSpaceToPurge(this.#context, machine, new Set(deleted.map(({ id }) => id)));
    const decided = await decidePurge(machine, { checkpoints: deleted, trashed: [] }, {});
    return { ...purgeSteps(machine, decided), needs: decided.needs, freed: decided.freed };
  }

  async #groupTake(params: Params<'groupTake'>): Promise<OperationPlan> {
    const { machines, ...options } = params;
    const folders = await Promise.all(machines.map((machine) => findMachine(this.#context, machine)));
    const named = groupTakeOptions(options);
    const names = folders.map((folder) => path.basename(folder.path));
    return this.#onAll('groupTake', names, (machine) => this.#take(machine, takeOfMember(machine, named, 'new')));
  }

  async #on(
    operation: PlannedOperation,
    reference: string,
    decide: (machine: SeenMachine) => Promise<WeighedPart>,
  ): Promise<OperationPlan> {
    const machine = await seeMachine(this.#context, reference);
    const part = await decide(machine);
    const { name } = machine.records.definition;
    return wholePlan(operation, [name], [recovered(machine, part)], machine.folder.path);
  }

  /** In the order in which the operation goes through them, and with its errors. */
  async #onAll(
    operation: PlannedOperation,
    names: readonly string[],
    decide: (machine: SeenMachine) => Promise<WeighedPart>,
  ): Promise<OperationPlan> {
    const sorted = [...new Set(names)].sort();
    const machines: SeenMachine[] = [];
    for (const name of sorted) {
      machines.push(await seeMachine(this.#context, name));
    }
    const parts: WeighedPart[] = [];
    for (const machine of machines) {
      const { name } = machine.records.definition;
      try {
        const part = recovered(machine, await decide(machine));
        parts.push({ ...part, steps: part.steps.map((step) => ({ machine: name, ...step })) });
      } catch (error) {
        throw naming(machine, error, []);
      }
    }
    return wholePlan(operation, sorted, parts, this.#context.home.machines);
  }
}

function planWith<K extends PlannedOperation>(
  operation: K,
  planner: Planners[K],
  params: unknown,
): Promise<OperationPlan> {
  return planner(parseParams(operation, params));
}

async function diskPlan(
  operation: PlannedOperation,
  file: string,
  deciding: Promise<DiskDecision>,
): Promise<OperationPlan> {
  const { movedBytes, ...decided } = await deciding;
  const part = { ...decided, losses: [], ...(movedBytes === undefined ? {} : { imageBytes: movedBytes }) };
  return wholePlan(operation, [], [part], path.dirname(path.resolve(file)));
}

async function removal(context: EngineContext, machine: OpenMachine): Promise<WeighedPart> {
  requireStopped(machine, 'removing it');
  requireNoClones(machine, 'it is removed');
  await requireNotLinked(context, machine);
  const { folder, records } = machine;
  const entries = await readdir(folder.path, { recursive: true });
  const bytes = entries.reduce((sum, entry) => sum + sizeOf(path.join(folder.path, entry)), 0);
  const { name } = records.definition;
  const besides = await layersBeside(context, machine);
  return {
    steps: [
      ...besides.map((file): PlanStep => ({ kind: 'remove', what: 'layer', path: file, bytes: sizeOf(file) })),
      { kind: 'remove', what: 'machine', path: folder.path, bytes },
    ],
    losses: [
      { what: 'machine', name },
      ...records.checkpoints.map((one) => ({ what: 'checkpoint' as const, name: one.name })),
    ],
  };
}

function recovered({ interrupted }: SeenMachine, part: WeighedPart): WeighedPart {
  return interrupted === undefined
    ? part
    : { ...part, steps: [{ kind: 'recover', operation: interrupted }, ...part.steps] };
}

function machinesOf({ members }: Group): string[] {
  return members.map(({ machine }) => machine);
}
