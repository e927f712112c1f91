import path from 'node:path';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { Tree } from '../model/tree.ts';
import type { LayerOfDisk, Now } from '../model/machine.ts';
import type { PlannedLoss, PlannedPoint, PlanStep } from '../protocol/plans.ts';
import { LayerFiles } from '../store/layer-files.ts';
import type { ApplyDecision } from './apply.ts';
import type { PurgeDecision } from './decide-purge.ts';
import type { DeleteDecision } from './delete.ts';
import { placeNames } from './disk-places.ts';
import type { ExportDecision } from './export.ts';
import type { FlattenDecision } from './flatten.ts';
import type { MoveDecision } from './move.ts';
import type { OpenMachine } from './locked-machine.ts';
import type { TakeDecision } from './take.ts';
import type { RestoreDecision } from './trash.ts';

/** What a decision says will happen, for people and for programs. */
export interface PlanPart {
  steps: PlanStep[];
  losses: PlannedLoss[];
}

/** What a file takes on its volume, by its absolute path. */
export type SizeOf = (file: string) => number;

export function takeSteps(
  { folder, records, presence }: OpenMachine,
  { checkpoint, memoryFile }: TakeDecision,
): PlanPart {
  const { definition, now } = records;
  const isRunning = presence.state === 'running';
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const point = { name: checkpoint.name };
  return {
    steps: [
      ...(isRunning ? [{ kind: 'process', does: 'pause' } as const] : []),
      ...newLayers(files, now.activeLayers, now.activeLayers),
      { kind: 'create', what: 'checkpoint', point, ...parentIn(records.checkpoints, checkpoint.parent) },
      { kind: 'attach', point: 'now', parent: point },
      ...(isRunning ? [{ kind: 'process', does: 'resume' } as const] : []),
      ...(memoryFile === undefined ? [] : [{ kind: 'create', what: 'memory' } as const]),
    ],
    losses: [],
  };
}

/** @param released files of the present layers that go when Now is discarded */
export function applySteps(
  { folder, records, presence }: OpenMachine,
  { target, kept, memory, journal }: ApplyDecision,
  released: readonly string[],
  sizeOf: SizeOf,
): PlanPart {
  const { definition, now, checkpoints } = records;
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const isUp = presence.state !== 'stopped';
  const { releasedMemoryFile: memoryFile } = journal;
  return {
    steps: [
      ...(presence.state === 'running' ? [{ kind: 'process', does: 'pause' } as const] : []),
      ...(journal.reusesLayers
        ? placedRenames(files, now.activeLayers, target.layers)
        : newLayers(files, now.activeLayers, target.layers)),
      ...(journal.memoryFile === undefined ? [] : [{ kind: 'create', what: 'memory' } as const]),
      ...(kept === undefined
        ? []
        : [
            {
              kind: 'create',
              what: 'checkpoint',
              point: { name: kept.name },
              ...parentIn(checkpoints, kept.parent),
              ...(kept.expires === undefined ? {} : { until: kept.expires }),
            } as const,
          ]),
      { kind: 'attach', point: 'now', ...parentIn(checkpoints, journal.after.parent) },
      ...(isUp ? [{ kind: 'process', does: 'end' } as const] : []),
      ...(memory === undefined ? [] : [{ kind: 'process', does: 'start' } as const]),
      ...(journal.releasedCheckpoint === undefined
        ? []
        : [{ kind: 'remove', what: 'checkpoint', point: pointOf(target) } as const]),
      ...(memoryFile === undefined ? [] : [removal('memory', folder.inner(memoryFile), sizeOf)]),
      ...released.map((file): PlanStep => ({
        kind: 'remove',
        what: 'layer',
        path: restingPlace(files, file, now),
        bytes: sizeOf(file),
      })),
    ],
    losses: kept === undefined ? [{ what: 'now', name: definition.name }] : [],
  };
}

export function deleteSteps({ records }: OpenMachine, { trashed, reparented, now }: DeleteDecision): PlanPart {
  const { checkpoints } = records;
  return {
    steps: [
      ...trashed.map(({ checkpoint, expires }): PlanStep => ({
        kind: 'trash',
        point: pointOf(checkpoint),
        until: expires,
      })),
      ...reparented.map((one): PlanStep => ({
        kind: 'attach',
        point: pointOf(one),
        ...parentIn(checkpoints, one.parent),
      })),
      ...(now === undefined ? [] : [{ kind: 'attach', point: 'now', ...parentIn(checkpoints, now.parent) } as const]),
    ],
    losses: [],
  };
}

export function purgeSteps(machine: OpenMachine, { deleted, discarded, removed, merges }: PurgeDecision): PlanPart {
  const moved = deleteSteps(machine, deleted).steps.filter(({ kind }) => kind !== 'trash');
  return {
    steps: [
      ...discarded.map(({ checkpoint }): PlanStep => ({
        kind: 'remove',
        what: 'checkpoint',
        point: pointOf(checkpoint),
      })),
      ...moved,
      ...removed.map((one): PlanStep => ({ kind: 'remove', ...one })),
      ...merges.flatMap(({ disk, from, into, direction, bytes, removed: gone, renamed }): PlanStep[] => [
        { kind: 'merge', disk, from, into, direction, bytes },
        ...(renamed === undefined
          ? [{ kind: 'remove', what: 'layer', ...gone } as const]
          : [{ kind: 'rename', ...renamed } as const]),
      ]),
    ],
    losses: discarded.map(({ checkpoint }) => ({ what: 'checkpoint', name: checkpoint.name })),
  };
}

export function restoreSteps({ records }: OpenMachine, { restored, children, after }: RestoreDecision): PlanPart {
  const { checkpoints, now } = records;
  const point = pointOf(restored);
  return {
    steps: [
      { kind: 'restore', point, ...parentIn(checkpoints, restored.parent) },
      ...checkpoints
        .filter(({ id }) => children.includes(id))
        .map((one): PlanStep => ({ kind: 'attach', point: pointOf(one), parent: point })),
      ...(after.parent === now.parent ? [] : [{ kind: 'attach', point: 'now', parent: point } as const]),
    ],
    losses: [],
  };
}

/** What of a checkpoint's own record becomes another. */
export function changeSteps(before: Checkpoint, after: Checkpoint): PlanPart {
  const fields = ['name', 'notes', 'pinned', 'colour', 'expires'] as const;
  return {
    steps: fields.flatMap((field): PlanStep[] => {
      const [from, to] = [String(before[field] ?? ''), String(after[field] ?? '')];
      return from === to ? [] : [{ kind: 'change', point: pointOf(before), field, from, to }];
    }),
    losses: [],
  };
}

/** Where a clone will be. */
export interface MadeClone {
  name: string;
  path: string;
  /** For its disks, when those are for another program. */
  disksFolder?: string;
}

/** @param isIndependent with copies of the disks, each as one image */
export function cloneSteps(
  { folder, records }: OpenMachine,
  { layers, definition }: Pick<Checkpoint, 'layers' | 'definition'>,
  made: MadeClone,
  isIndependent: boolean,
): PlanPart {
  const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
  const { disksFolder } = made;
  const places = placeNames(records.definition);
  return {
    steps: [
      { kind: 'create', what: 'machine', point: { name: made.name }, path: made.path },
      ...(disksFolder === undefined ? [] : [{ kind: 'create', what: 'folder', path: disksFolder } satisfies PlanStep]),
      ...definition.disks.flatMap(({ id }): PlanStep[] => {
        const disk = files.disk(id);
        const on = files.fileOf(disk, files.layerOf(layers, disk));
        if (disksFolder !== undefined) {
          const file = path.join(disksFolder, places.get(id) ?? id);
          return [{ kind: 'create', what: isIndependent ? 'image' : 'layer', disk: id, path: file, on }];
        }
        return isIndependent
          ? [
              { kind: 'create', what: 'image', disk: id, on },
              { kind: 'create', what: 'layer', disk: id },
            ]
          : [{ kind: 'create', what: 'layer', disk: id, on }];
      }),
    ],
    losses: [],
  };
}

export function flattenSteps({ lowest }: FlattenDecision, bytes: readonly number[]): PlanPart {
  return {
    steps: lowest.map(({ disk, file }, at) => ({ kind: 'fill', disk: disk.id, path: file, bytes: bytes[at] ?? 0 })),
    losses: [],
  };
}

export function moveSteps({ from, to, isCopy, bytes }: MoveDecision): PlanPart {
  return {
    steps: isCopy
      ? [
          { kind: 'copy', from, to, bytes },
          { kind: 'remove', what: 'machine', path: from, bytes },
        ]
      : [{ kind: 'rename', from, to }],
    losses: [],
  };
}

export function exportSteps({ folder, copies, filled, images }: ExportDecision, sizeOf: SizeOf): PlanPart {
  return {
    steps: [
      { kind: 'create', what: 'folder', path: folder },
      ...copies.map((copy): PlanStep => ({ kind: 'copy', ...copy, bytes: sizeOf(copy.from) })),
      ...filled.map((one): PlanStep => ({ kind: 'fill', ...one })),
      ...images.map(({ disk, file }): PlanStep => ({ kind: 'create', what: 'image', disk, path: file })),
    ],
    losses: [],
  };
}

/** Empty layers, each in the place of the active one. */
function newLayers(files: LayerFiles, active: LayerOfDisk, parents: LayerOfDisk): PlanStep[] {
  return files.disks.flatMap((disk): PlanStep[] => {
    const parent = files.layerOf(parents, disk);
    const common = { kind: 'create', what: 'layer', disk: disk.id } as const;
    if (disk.place === undefined) {
      return [{ ...common, on: files.fileOf(disk, parent) }];
    }
    const resting = files.restingFileOf(disk, files.layerOf(active, disk));
    return [
      { kind: 'rename', from: disk.place, to: resting },
      { ...common, path: disk.place, on: files.restingFileOf(disk, parent) },
    ];
  });
}

/** Layers that are there already, each in the place of the active one. */
function placedRenames(files: LayerFiles, active: LayerOfDisk, coming: LayerOfDisk): PlanStep[] {
  return files.disks.flatMap((disk): PlanStep[] =>
    disk.place === undefined
      ? []
      : [
          { kind: 'rename', from: disk.place, to: files.restingFileOf(disk, files.layerOf(active, disk)) },
          { kind: 'rename', from: files.restingFileOf(disk, files.layerOf(coming, disk)), to: disk.place },
        ],
  );
}

/** Where the layer at a place lies once another one has taken that. */
function restingPlace(files: LayerFiles, file: string, { activeLayers }: Now): string {
  const disk = files.disks.find(({ place }) => place === file);
  return disk === undefined ? file : files.restingFileOf(disk, files.layerOf(activeLayers, disk));
}

function removal(what: 'layer' | 'memory', path: string, sizeOf: SizeOf): PlanStep {
  return { kind: 'remove', what, path, bytes: sizeOf(path) };
}

/** The tree that a machine's records say. */
export function treeOf({ records }: OpenMachine): Tree {
  return { machine: records.definition.name, checkpoints: records.checkpoints, now: records.now };
}

export function pointOf({ id, name }: Pick<Checkpoint, 'id' | 'name'>): PlannedPoint {
  return { id, name };
}

function parentIn(checkpoints: readonly Checkpoint[], id: string | undefined): { parent?: PlannedPoint } {
  const found = checkpoints.find((one) => one.id === id);
  return found === undefined ? {} : { parent: pointOf(found) };
}
