import assert from 'node:assert/strict';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import type { DiskFormat } from '../../../../engine/model/machine.ts';
import { LayerFiles } from '../../../../engine/store/layer-files.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { lab as machine } from '../../../support/faults/stopped-lab.ts';
import type { TreeModel } from './tree-model.ts';
import type { VerbEngine } from './verb-engine.ts';

type ShowingEngine = Pick<VerbEngine, 'service'>;

/** The tree is the model's, and so is what Now holds. */
export async function requireSameTree({ service }: ShowingEngine, model: TreeModel, allowed: string): Promise<void> {
  const { machine: found } = await service.show({ machine });
  assert.deepEqual(
    Object.fromEntries(
      found.checkpoints.map(({ id, parent, name, expires, pinned, group }) => [
        id,
        { parent, name, expires: expires !== undefined, pinned: pinned === true, group },
      ]),
    ),
    Object.fromEntries(
      [...model.points].map(([id, { parent, name, expires, pinned, group }]) => [
        id,
        { parent, name, expires, pinned, group },
      ]),
    ),
  );
  assert.deepEqual(
    [found.now.parent, found.now.undo, found.now.redo],
    [model.parent, model.undo, model.redo],
    'Now’s parent, and what it can be undone and redone to',
  );
  assert.deepEqual(found.trash.map(({ checkpoint }) => checkpoint.id).sort(), [...model.trash.keys()].sort());
  await requireContent(found.disks[0]?.activeLayer ?? '', model.content, [allowed]);
}

/** @param which checkpoints to look at; those in the trash too */
export async function requireSameContents(
  { service }: ShowingEngine,
  model: TreeModel,
  allowed: string,
  which: (id: string) => boolean,
): Promise<void> {
  const folder = new MachineFolder((await service.show({ machine })).machine.folder);
  const { checkpoints, trash, definition, now } = await folder.read();
  const files = new LayerFiles(folder, definition, now.activeLayers);
  const disk = files.disk('disk0');
  for (const { id, layers } of [...checkpoints, ...trash.map(({ checkpoint }) => checkpoint)]) {
    if (which(id)) {
      const { content } = model.trash.get(id) ?? model.point(id);
      await requireContent(files.fileOf(disk, files.layerOf(layers, disk)), content, [allowed]);
    }
  }
}

/** What kept states remember: what could be undone and redone before them, as far as that is still there. */
export async function requireSameWaysBack(
  { service }: ShowingEngine,
  model: TreeModel,
  which: (id: string) => boolean,
): Promise<void> {
  const folder = new MachineFolder((await service.show({ machine })).machine.folder);
  const there = (id: string | undefined): string | undefined =>
    id !== undefined && (model.points.has(id) || model.trash.has(id)) ? id : undefined;
  for (const { id, undo, redo } of (await folder.read()).checkpoints.filter((one) => which(one.id))) {
    const expected = model.point(id);
    assert.deepEqual([there(undo), there(redo)], [there(expected.undo), there(expected.redo)], id);
  }
}

export async function requireSameClones({ service }: ShowingEngine, model: TreeModel, allowed: string): Promise<void> {
  for (const [name, { content }] of model.clones) {
    const { machine: found } = await service.show({ machine: name });
    await requireContent(found.disks[0]?.activeLayer ?? '', content, [allowed]);
  }
}

/** A disk, read whole. */
export async function requireContent(
  file: string,
  expected: Buffer,
  allowParents: readonly string[],
  format?: DiskFormat,
): Promise<void> {
  const chain = await openChain(file, { allowParents, ...(format === 'raw' ? { format } : {}) });
  try {
    const found = Buffer.alloc(chain.top.virtualSizeBytes);
    await chain.top.read(found, 0);
    assert.ok(found.equals(expected), `${file} holds other bytes`);
  } finally {
    await chain.close();
  }
}
