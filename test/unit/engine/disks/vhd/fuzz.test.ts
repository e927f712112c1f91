import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { vhdDriver } from '../../../../../engine/disks/vhd/driver.ts';
import { randomProgram, DiskModel, runProgram } from '../../../../support/disks/disk-model.ts';
import type { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { FuzzCorpus } from '../../../../support/disks/fuzz-corpus.ts';
import { fuzzOpen, mutated, openHostile, randomMutations, type Mutation } from '../../../../support/disks/mutate.ts';
import { randomFrom, seededRandom } from '../../../../support/seeded-random.ts';
import { makeChild, makeDisk, mib, openChild, reseal, smallBlock, tableEntry, tableOffsetOf } from './vhd-images.ts';

/** Rounds for each image; more for a longer run. */
const rounds = Number(process.env['CKPT_FUZZ_ROUNDS'] ?? 9000);
const corpus = new FuzzCorpus(import.meta.dirname);

/** The same in every run. */
async function images(): Promise<{ name: string; file: MemoryFile; parent?: Layer }[]> {
  const random = randomFrom(1);
  const sizeBytes = 3 * mib;
  const fill = async (open: () => Promise<Layer>): Promise<void> => {
    const steps = randomProgram({ random, sizeBytes, steps: 12, boundaries: [smallBlock, 2 * smallBlock] });
    const model = new DiskModel(sizeBytes);
    const layer = await open();
    const content = Buffer.alloc(sizeBytes);
    await layer.read(content, 0);
    model.write(content, 0);
    await layer.close();
    await runProgram(steps, { open, model });
  };
  const dynamic = (await makeDisk({ sizeBytes })).file;
  await fill(() => vhdDriver.open({ file: dynamic }));
  const fixed = (await makeDisk({ sizeBytes, isFixed: true })).file;
  const parent = await vhdDriver.open({ file: dynamic.copy(dynamic.path, true) });
  const child = (await makeChild(parent)).file;
  await fill(() => openChild(child, parent));
  return [
    { name: 'fixed', file: fixed },
    { name: 'dynamic', file: dynamic },
    { name: 'differencing', file: child, parent },
  ];
}

function resealAll(file: MemoryFile): void {
  reseal(file, 0, 512, 64);
  reseal(file, 512, 1024, 36);
  reseal(file, Math.max(0, file.sizeBytes - 512), 512, 64);
}

test('mutated footers, headers, tables, bitmaps and locators → an error with a code, or a disk that can be used', async () => {
  const random = seededRandom();
  for (const { name, file, parent } of await images()) {
    const isFixed = name === 'fixed';
    const tableOffset = isFixed ? 0 : tableOffsetOf(file);
    const ranges = isFixed
      ? [{ offset: file.sizeBytes - 512, length: 96 }]
      : [
          { offset: 0, length: 96 },
          { offset: 512, length: 64 },
          { offset: 512 + 576, length: 48 },
          { offset: tableOffset, length: 32 },
          { offset: file.sizeBytes - 512, length: 96 },
          { offset: tableEntry(file, 0) === 0xffffffff ? 0 : tableEntry(file, 0) * 512, length: 128 },
          { offset: 4096, length: 128 },
        ];
    const { opened, refused } = await fuzzOpen(vhdDriver, file, ranges, {
      random,
      rounds: isFixed ? rounds / 4 : rounds,
      reseal: resealAll,
      corpus: { all: corpus, image: name },
      ...(parent === undefined ? {} : { parent }),
    });
    console.log(`${name}: ${opened} opened, refused ${JSON.stringify(Object.fromEntries(refused))}`);
    assert.ok(opened > 0 && refused.size > 0, 'both happen');
  }
});

test('mutated images open for writing → never anything but an error with a code, and the parent is never touched', async () => {
  const random = seededRandom();
  for (const { name, file, parent } of await images()) {
    const ranges =
      name === 'fixed'
        ? [{ offset: file.sizeBytes - 512, length: 96 }]
        : [
            { offset: 0, length: 96 },
            { offset: 512, length: 64 },
            { offset: 512 + 576, length: 48 },
            { offset: tableOffsetOf(file), length: 32 },
          ];
    const before = parent === undefined ? undefined : Buffer.alloc(parent.virtualSizeBytes);
    await parent?.read(before ?? Buffer.alloc(0), 0);
    for (let round = 0; round < rounds / 16; round++) {
      const mutations = randomMutations(file, ranges, random);
      const hostile = mutated(file, mutations);
      resealAll(hostile);
      try {
        await writeInto(hostile, parent, random);
      } catch (error) {
        const isExpected = error instanceof Error && error.name === 'CheckpointError';
        assert.ok(
          isExpected,
          `${name}, ${JSON.stringify(mutations)}: ${String(error instanceof Error ? error.stack : error)}`,
        );
      }
    }
    if (parent !== undefined && before !== undefined) {
      const after = Buffer.alloc(parent.virtualSizeBytes);
      await parent.read(after, 0);
      assert.ok(after.equals(before));
    }
  }
});

async function writeInto(file: MemoryFile, parent: Layer | undefined, random: () => number): Promise<void> {
  const layer = await vhdDriver.open({ file });
  if (parent !== undefined && layer.parentReference !== undefined) {
    layer.attachParent(parent);
  }
  const size = layer.virtualSizeBytes;
  const content = Buffer.alloc(Math.min(5000, size), 1);
  for (let write = 0; write < 3; write++) {
    await layer.write(content, Math.floor(random() * (size - content.length)));
  }
  await layer.zero(Math.floor(random() * (size - content.length)), content.length);
  await layer.flush();
  const action = Math.floor(random() * 4);
  if (action === 0) {
    await layer.check({ repair: true });
  } else if (action === 1) {
    await layer.compact({});
  } else if (action === 2) {
    await layer.resize(Math.min(size + mib, 8 * mib), {});
  } else if (parent !== undefined && layer.parentReference !== undefined) {
    await layer.setParent({ layer: parent, relativePath: 'other.vhd' });
  }
  await layer.close();
}

/** Images that went wrong once, in reading, writing or repair. */
const finds: { name: string; mutations: Mutation[] }[] = [
  {
    name: 'a repair put blocks behind an entry that leads to the end of what the table can reach',
    mutations: [{ offset: 1552, hex: 'fffffeff0000040f' }],
  },
];

for (const { name, mutations } of finds) {
  test(`found by mutation: ${name}`, async () => {
    const random = seededRandom();
    for (const { file, parent } of await images()) {
      const hostile = mutated(file, mutations);
      resealAll(hostile);
      await openHostile(vhdDriver, hostile, { random, ...(parent === undefined ? {} : { parent }) });
      const layer = await vhdDriver.open({ file: hostile });
      if (parent !== undefined) {
        layer.attachParent(parent);
      }
      await layer.check({ repair: true });
      await layer.write(Buffer.alloc(5000, 1), 700);
      await layer.close();
      assert.deepEqual(await (await vhdDriver.open({ file: hostile })).check({ repair: false }), []);
      assert.ok(hostile.sizeBytes < 16 * mib);
    }
  });
}
