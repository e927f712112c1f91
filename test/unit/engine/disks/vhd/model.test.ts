import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { vhdDriver } from '../../../../../engine/disks/vhd/driver.ts';
import { DiskModel, randomProgram, runProgram, taggedContent } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { extentsOf, kib, makeChild, makeDisk, mib, openChild, slowFile, smallBlock } from './vhd-images.ts';

/** More for a longer run. */
const rounds = Number(process.env['CKPT_ROUNDS'] ?? 1);

const boundaries = [smallBlock, 2 * smallBlock, 3 * smallBlock, 2 * mib];

/** What the extents say is what the disk reads. */
async function assertExtentsAgree(layer: Layer, model: DiskModel, below: DiskModel | undefined): Promise<void> {
  let at = 0;
  for (const extent of await extentsOf(layer)) {
    assert.equal(extent.offset, at, 'extents leave no gap');
    at += extent.length;
    const expected = model.content(extent.offset, extent.length);
    if (extent.state === 'data') {
      const stored = Buffer.alloc(extent.length);
      await layer.file.read(stored, extent.fileOffset ?? -1);
      assert.ok(stored.equals(expected), `data at ${extent.offset}`);
    } else {
      const source = extent.state === 'parent' ? below : undefined;
      assert.ok(expected.equals(source?.content(extent.offset, extent.length) ?? Buffer.alloc(extent.length)));
    }
  }
  assert.equal(at, layer.virtualSizeBytes);
}

describe('a random program leaves the same content in a disk and in a plain array of bytes', () => {
  for (const blockBytes of [512 * kib, mib, 2 * mib]) {
    for (const kind of ['fixed', 'dynamic'] as const) {
      test(`${kind}, blocks of ${blockBytes / kib} KiB`, async () => {
        const random = seededRandom();
        for (let round = 0; round < rounds; round++) {
          // Not a multiple of the block: the last block is only partly the disk's.
          const sizeBytes = 4 * mib + 512 * (1 + Math.floor(random() * 1000));
          const { file, layer } = await makeDisk({ sizeBytes, blockBytes, isFixed: kind === 'fixed' });
          await layer.close();
          const model = new DiskModel(sizeBytes);
          await runProgram(randomProgram({ random, sizeBytes, steps: 300, boundaries }), {
            open: () => vhdDriver.open({ file }),
            model,
            compareEvery: 100,
          });
          const again = await vhdDriver.open({ file });
          await assertExtentsAgree(again, model, undefined);
          assert.deepEqual(await again.check({ repair: false }), []);
        }
      });
    }
  }

  for (const blockBytes of [512 * kib, mib, 2 * mib]) {
    test(`a chain five deep, blocks of ${blockBytes / kib} KiB, each layer written in turn`, async () => {
      const random = seededRandom();
      for (let round = 0; round < rounds; round++) {
        const sizeBytes = 4 * mib + 3 * 512;
        const base = await makeDisk({ sizeBytes, blockBytes, isFixed: random() < 0.3 });
        const below: { file: MemoryFile; layer: Layer; model: DiskModel }[] = [];
        let model = new DiskModel(sizeBytes);
        await runProgram(randomProgram({ random, sizeBytes, steps: 30, boundaries }), {
          open: () => vhdDriver.open({ file: base.file }),
          model,
        });
        below.push({ file: base.file, layer: await vhdDriver.open({ file: base.file }), model });
        for (let depth = 1; depth <= 5; depth++) {
          const under = below.at(-1);
          assert.ok(under !== undefined);
          const made = await makeChild(under.layer, { blockBytes, path: `/memory/layer${depth}.vhd` });
          await made.layer.close();
          model = under.model.copy();
          await runProgram(randomProgram({ random, sizeBytes, steps: 120, boundaries }), {
            open: () => openChild(made.file, under.layer),
            model,
            compareEvery: 60,
          });
          const layer = await openChild(made.file, under.layer);
          await assertExtentsAgree(layer, model, under.model);
          assert.deepEqual(await layer.check({ repair: false }), []);
          below.push({ file: made.file, layer, model });
        }
        for (const { layer, model: unchanged } of below) {
          await unchanged.assertSame(layer, 'a parent is never written');
        }
      }
    });
  }
});

test('compact, resize, repair, another parent and leaving it, between random writes → always the same content', async () => {
  const random = seededRandom();
  for (let round = 0; round < 4 * rounds; round++) {
    const sizeBytes = 3 * mib;
    const base = await makeDisk({ sizeBytes, blockBytes: smallBlock });
    const baseModel = new DiskModel(sizeBytes);
    await runProgram(randomProgram({ random, sizeBytes, steps: 20, boundaries }), {
      open: () => vhdDriver.open({ file: base.file }),
      model: baseModel,
    });
    const parent = await vhdDriver.open({ file: base.file });
    const twin = base.file.copy('/memory/a-long-name-for-the-same-parent.vhd');
    const isChild = random() < 0.6;
    const file = isChild ? (await makeChild(parent)).file : base.file.copy('/memory/child.vhd');
    let model = baseModel.copy();
    let standsAlone = !isChild;
    const open = (): Promise<Layer> => (standsAlone ? vhdDriver.open({ file }) : openChild(file, parent));
    for (let turn = 0; turn < 12; turn++) {
      await runProgram(randomProgram({ random, sizeBytes: model.sizeBytes, steps: 12, boundaries }), { open, model });
      const layer = await open();
      const action = Math.floor(random() * 5);
      if (action === 0) {
        await layer.compact({});
      } else if (action === 1) {
        const wished = 512 * (1 + Math.floor(random() * ((9 * mib) / 512)));
        if (wished < model.sizeBytes) {
          await layer.zero(wished, model.sizeBytes - wished);
          model.zero(wished, model.sizeBytes - wished);
        }
        await layer.resize(wished, {});
        model = model.copy(wished);
      } else if (action === 2) {
        await layer.check({ repair: true });
      } else if (action === 3 && !standsAlone) {
        const other = await vhdDriver.open({ file: twin });
        await layer.setParent({ layer: other, relativePath: twin.path.replace('/memory/', '') });
        assert.deepEqual(layer.parentReference?.paths[0], `./${twin.path.replace('/memory/', '')}`);
      } else if (action === 4 && !standsAlone && random() < 0.3) {
        // Whoever lets it stand alone has copied all of the parent before.
        await layer.write(await contentOfModel(model, layer.virtualSizeBytes), 0);
        await layer.setParent(undefined);
        standsAlone = true;
      }
      await model.assertSame(layer, `after action ${action} of turn ${turn}`);
      await layer.close();
      const again = await open();
      await model.assertSame(again, `opened again after action ${action} of turn ${turn}`);
      const faults = await again.check({ repair: false });
      assert.deepEqual(
        faults.filter((fault) => fault.severity === 'error'),
        [],
      );
      await again.close();
    }
  }
});

test('many writes at once, also within one sector → each of them is there', async () => {
  const random = seededRandom();
  const base = await makeDisk({ sizeBytes: 4 * mib });
  await base.layer.write(taggedContent(0, 4 * mib, 1), 0);
  for (const target of [
    await makeChild(base.layer),
    await makeDisk({ sizeBytes: 4 * mib, path: '/memory/other.vhd' }),
  ]) {
    const model = new DiskModel(4 * mib);
    if (target.layer.parentReference !== undefined) {
      model.write(taggedContent(0, 4 * mib, 1), 0);
    }
    // Ranges that touch and share sectors, but no byte.
    const ranges: { offset: number; length: number; tag: number }[] = [];
    for (let at = Math.floor(random() * 300); at < 4 * mib;) {
      const length = Math.min(4 * mib - at, 1 + Math.floor(random() * random() * 20000));
      ranges.push({ offset: at, length, tag: ranges.length + 2 });
      at += length + (random() < 0.5 ? 0 : Math.floor(random() * 700));
    }
    ranges.sort(() => random() - 0.5);
    await target.layer.close();
    const slow = slowFile(target.file, random);
    const disk =
      target.layer.parentReference === undefined
        ? await vhdDriver.open({ file: slow })
        : await openChild(slow, base.layer);
    const work = ranges.map(async ({ offset, length, tag }, index) => {
      await disk.write(taggedContent(offset, length, tag), offset);
      model.write(taggedContent(offset, length, tag), offset);
      if (index % 50 === 0) {
        await disk.flush();
      }
    });
    await Promise.all(work);
    await model.assertSame(disk);
    await disk.close();
    const again =
      target.layer.parentReference === undefined
        ? await vhdDriver.open({ file: target.file })
        : await openChild(target.file, base.layer);
    await model.assertSame(again, 'opened again');
  }
});

async function contentOfModel(model: DiskModel, length: number): Promise<Buffer> {
  return model.content(0, length);
}
