import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CreateLayer } from '../../../../../engine/disks/disk.ts';
import { DiskModel, randomProgram, runProgram } from '../../../../support/disks/disk-model.ts';
import type { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { collect, frozen, mebibyte, newChild, newVhdx, openChain } from './vhdx-files.ts';

const random = seededRandom();
/** More for a longer run. */
const steps = Number(process.env['CKPT_MODEL_STEPS'] ?? 400);

const disks: { name: string; options: Omit<CreateLayer, 'file'> }[] = [
  { name: 'dynamic, 1 MiB blocks', options: { virtualSizeBytes: 9 * mebibyte + 512, blockBytes: mebibyte } },
  {
    name: 'dynamic, 4096-byte sectors',
    options: { virtualSizeBytes: 7 * mebibyte + 4096, blockBytes: 2 * mebibyte, logicalSectorBytes: 4096 },
  },
  { name: 'fixed', options: { virtualSizeBytes: 5 * mebibyte + 1024, blockBytes: mebibyte, isFixed: true } },
  { name: 'dynamic, 256 MiB blocks', options: { virtualSizeBytes: 300 * mebibyte, blockBytes: 256 * mebibyte } },
];

function boundaries(sizeBytes: number, blockBytes: number): number[] {
  return Array.from({ length: Math.floor(sizeBytes / blockBytes) }, (_, block) => (block + 1) * blockBytes);
}

for (const { name, options } of disks) {
  test(`a random program on a disk: ${name}`, async () => {
    const file = await newVhdx(options);
    const sizeBytes = options.virtualSizeBytes ?? 0;
    const program = randomProgram({
      random,
      sizeBytes,
      steps,
      boundaries: boundaries(sizeBytes, options.blockBytes ?? 0),
      longest: 3 * mebibyte,
    });
    await runProgram(program, { open: () => openChain(file), model: new DiskModel(sizeBytes), compareEvery: 97 });
    await assertSound(file);
  });
}

for (const { logicalSectorBytes, blockBytes, layers } of [
  { logicalSectorBytes: 512, blockBytes: mebibyte, layers: 5 },
  { logicalSectorBytes: 4096, blockBytes: 2 * mebibyte, layers: 3 },
  { logicalSectorBytes: 512, blockBytes: 256 * mebibyte, layers: 2 },
]) {
  test(`a random program on each layer of a chain: ${layers} layers, ${blockBytes / mebibyte} MiB blocks, ${logicalSectorBytes}-byte sectors`, async () => {
    const sizeBytes = 6 * mebibyte + 4096;
    const files: MemoryFile[] = [
      await newVhdx({ virtualSizeBytes: sizeBytes, logicalSectorBytes, blockBytes: mebibyte }),
    ];
    let model = new DiskModel(sizeBytes);
    for (let depth = 0; depth < layers; depth++) {
      const [top, ...below] = files;
      assert.ok(top);
      const program = randomProgram({
        random,
        sizeBytes,
        steps: Math.ceil(steps / 2),
        boundaries: boundaries(sizeBytes, mebibyte),
        longest: 2 * mebibyte,
      });
      await runProgram(program, { open: () => openChain(top, ...below.map(frozen)), model, compareEvery: 97 });
      await assertSound(top, below);
      model = model.copy();
      files.unshift(await newChild(frozen(top), { blockBytes }, `/memory/layer-${depth}.vhdx`));
    }
  });
}

test('overlapping calls end as if they had come one after another', async () => {
  const sizeBytes = 16 * mebibyte;
  const base = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const file = await newChild(base, { blockBytes: mebibyte });
  const layer = await openChain(file, frozen(base));
  const model = new DiskModel(sizeBytes);
  for (let round = 0; round < 20; round++) {
    // Pieces that do not overlap, so that the result is certain, but share sectors, blocks and bitmaps.
    const cuts = [0, sizeBytes, ...Array.from({ length: 60 }, () => Math.floor(random() * sizeBytes))].sort(
      (a, b) => a - b,
    );
    await Promise.all(
      cuts.slice(1).map(async (end, index) => {
        const offset = cuts[index] ?? 0;
        const length = end - offset;
        if (length === 0) {
          return;
        }
        const kind = random();
        if (kind < 0.6) {
          const content = Buffer.alloc(length, 1 + Math.floor(random() * 255));
          model.write(content, offset);
          await layer.write(content, offset);
        } else if (kind < 0.9) {
          model.zero(offset, length);
          await layer.zero(offset, length);
        } else {
          await layer.flush();
        }
      }),
    );
    await model.assertSame(layer, `after round ${round}`);
  }
  await layer.close();
  await model.assertSame(await openChain(file, frozen(base)), 'opened again');
  await assertSound(file, [base]);
});

/** Nothing is wrong in the tables, and the extents are in order and without gaps. */
async function assertSound(file: MemoryFile, below: MemoryFile[] = []): Promise<void> {
  const layer = await openChain(frozen(file), ...below.map(frozen));
  const faults = await layer.check({ repair: false });
  assert.deepEqual(
    faults.filter(({ severity }) => severity === 'error'),
    [],
  );
  let end = 0;
  for (const extent of await collect(layer.extents(0, layer.virtualSizeBytes))) {
    assert.equal(extent.offset, end);
    end += extent.length;
  }
  assert.equal(end, layer.virtualSizeBytes);
}
