import path from 'node:path';
import { findCheckpoint } from '../model/tree.ts';
import type { Params } from '../protocol/operations.ts';
import type { OperationPlan, PlanStep } from '../protocol/plans.ts';
import { decideClone, decideCloneNow, type CloneDecision } from './clone.ts';
import type { EngineContext } from './engine-context.ts';
import { decideExportCheckpoint, decideExportMachine } from './export.ts';
import { decideImport, planImport } from './import.ts';
import { decideImportDisks, placesOfImages, readExportedDisks, type ExportedCheckpoint } from './import-disks.ts';
import type { OpenMachine } from './locked-machine.ts';
import { imageBytes, sizeOf, wholePlan, type WeighedPart } from './plan-part.ts';
import { cloneSteps, exportSteps, takeSteps, treeOf, type MadeClone } from './plan-steps.ts';

/** @param machine whose checkpoint, or Now, is cloned */
export async function planClone(
  context: EngineContext,
  machine: OpenMachine,
  { checkpoint, name, full, disksFolder }: Params<'clone'>,
): Promise<WeighedPart> {
  const options = { name, isIndependent: full === true, ...(disksFolder === undefined ? {} : { disksFolder }) };
  const placed = (made: CloneDecision): MadeClone => ({
    name: made.name,
    path: path.join(context.home.machines, made.name),
    ...(made.disksFolder === undefined ? {} : { disksFolder: made.disksFolder }),
  });
  if (checkpoint === undefined) {
    const decided = await decideCloneNow(context, machine, options, {});
    const taken = takeSteps(machine, decided.taken);
    const { definition, now } = machine.records;
    const source = { definition, layers: now.activeLayers };
    const cloned = cloneSteps(machine, source, placed(decided), options.isIndependent);
    return {
      steps: [...taken.steps, ...cloned.steps],
      losses: [],
      needs: [...decided.taken.needs, ...decided.needs],
      ...(options.isIndependent ? { imageBytes: imageBytes(decided) } : {}),
    };
  }
  const found = findCheckpoint(treeOf(machine), checkpoint);
  const decided = await decideClone(context, machine, found, options, {});
  return {
    ...cloneSteps(machine, found, placed(decided), options.isIndependent),
    needs: decided.needs,
    ...(options.isIndependent ? { imageBytes: imageBytes(decided) } : {}),
  };
}

export async function planExport(
  context: EngineContext,
  machine: OpenMachine,
  { target, checkpoint, to }: Params<'export'>,
): Promise<WeighedPart> {
  const decided =
    checkpoint === undefined
      ? await decideExportMachine(context, machine, target, {})
      : await decideExportCheckpoint(
          context,
          machine,
          findCheckpoint(treeOf(machine), checkpoint),
          target,
          to ?? 'qcow2',
          {},
        );
  return {
    ...exportSteps(decided, sizeOf),
    needs: decided.needs,
    ...(checkpoint === undefined ? {} : { imageBytes: imageBytes(decided) }),
  };
}

export async function planImportFolder(
  context: EngineContext,
  { folder, name, disksFolder }: Params<'import'>,
): Promise<OperationPlan> {
  const chosen = await planImport(context, folder, name);
  const exported = await readExportedDisks(context, folder);
  if (exported !== undefined) {
    return planImportDisks(context, exported, {
      name: chosen.name,
      ...(disksFolder === undefined ? {} : { disksFolder }),
    });
  }
  const wanted = { ...chosen, ...(disksFolder === undefined ? {} : { disksFolder }) };
  const decided = await decideImport(context, folder, wanted);
  const place = path.join(context.home.machines, decided.name);
  const part: WeighedPart = {
    steps: [
      { kind: 'create', what: 'machine', point: { name: decided.name }, path: place },
      ...(decided.placed === undefined
        ? []
        : [{ kind: 'create', what: 'folder', path: decided.placed.folder } satisfies PlanStep]),
      ...decided.copies.map((copy): PlanStep => ({ kind: 'copy', ...copy, bytes: sizeOf(copy.from) })),
    ],
    losses: [],
    needs: decided.needs,
  };
  return wholePlan('import', [decided.name], [part], context.home.machines);
}

async function planImportDisks(
  context: EngineContext,
  exported: ExportedCheckpoint,
  wanted: { name: string; disksFolder?: string },
): Promise<OperationPlan> {
  const decided = await decideImportDisks(context, exported, wanted);
  const { source, record } = exported;
  const { disksFolder } = decided;
  const places = placesOfImages(record);
  const place = path.join(context.home.machines, decided.name);
  const part: WeighedPart = {
    steps: [
      { kind: 'create', what: 'machine', point: { name: decided.name }, path: place },
      ...(disksFolder === undefined ? [] : [{ kind: 'create', what: 'folder', path: disksFolder } satisfies PlanStep]),
      ...record.disks.flatMap(({ id, file }): PlanStep[] => [
        { kind: 'create', what: 'image', disk: id, on: source.inner(file) },
        {
          kind: 'create',
          what: 'layer',
          disk: id,
          ...(disksFolder === undefined ? {} : { path: path.join(disksFolder, places.get(id) ?? id) }),
        },
      ]),
      { kind: 'create', what: 'checkpoint', point: { name: record.checkpoint.name } },
    ],
    losses: [],
    needs: decided.needs,
    imageBytes: imageBytes(decided),
  };
  return wholePlan('import', [decided.name], [part], context.home.machines);
}
