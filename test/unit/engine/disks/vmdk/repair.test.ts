import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { writeFile } from 'node:fs/promises';
import type { Fault } from '../../../../../engine/disks/disk.ts';
import { vmdkDriver } from '../../../../../engine/disks/vmdk/driver.ts';
import type { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { crashPoints, Recording } from '../../../../support/disks/recorded-file.ts';
import { runProgram } from '../../../../support/project.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { folderOf } from '../../temporary-folder.ts';
import { contentOf } from './images.ts';
import { field, patched, sector, sparse, stream, u32, u64 } from './made-images.ts';

const random = seededRandom();

/** Where an image has directories and first tables. Bytes. */
function placesOf(image: MemoryFile): Record<'gd' | 'rgd' | 'table' | 'redundant', number> {
  const gd = Number(image.peek(field.gdOffset, 8).readBigUInt64LE()) * sector;
  const rgd = Number(image.peek(field.rgdOffset, 8).readBigUInt64LE()) * sector;
  const tableOf = (directory: number): number => image.peek(directory, 4).readUInt32LE() * sector;
  return { gd, rgd, table: tableOf(gd), redundant: tableOf(rgd) };
}

function damaged(image: MemoryFile, ...changes: (readonly [offset: number, content: Buffer])[]): MemoryFile {
  return changes
    .reduce((file, [offset, content]) => patched(file, offset, content), image)
    .copy('/memory/damaged.vmdk', false);
}

async function repaired(file: MemoryFile, repair = true): Promise<Fault[]> {
  const layer = await vmdkDriver.open({ file });
  try {
    return await layer.check({ repair });
  } finally {
    await layer.close();
  }
}

async function read(file: MemoryFile): Promise<Buffer> {
  return contentOf(await vmdkDriver.open({ file }));
}

/** Each loss of one copy, with what is changed in the image to make it. */
const losses = {
  'an entry of a table': ({ table }) => [[table, u32(0xfffffff0)]],
  'a whole table': ({ table }) => [[table, Buffer.alloc(2048, 0xff)]],
  'an entry of the directory': ({ gd }) => [[gd + 4, u32(0xffffffff)]],
  'an entry of the directory that became 0': ({ gd }) => [[gd, u32(0)]],
  'an entry of the redundant directory': ({ rgd }) => [[rgd, u32(0xffffffff)]],
  'grains that the redundant table does not know yet': ({ redundant }) => [[redundant, Buffer.alloc(2048)]],
  'both, in different tables': ({ table, rgd }) => [
    [table, u32(0xfffffff0)],
    [rgd + 4, u32(0xffffffff)],
  ],
} satisfies Record<string, (places: ReturnType<typeof placesOf>) => (readonly [number, Buffer])[]>;

for (const [what, changes] of Object.entries(losses)) {
  test(`${what}: mended from the other copy, also when that is cut off`, async (context) => {
    const image = await sparse();
    const expected = await read(image.copy());
    const broken = damaged(image, ...changes(placesOf(image)));
    const found = await repaired(broken.copy(), false);
    assert.ok(found.length > 0 && found.every(({ isRepaired, severity }) => !isRepaired && severity === 'error'));
    const recording = new Recording();
    const file = recording.file('/memory/damaged.vmdk', broken);
    const faults = await repaired(file);
    assert.ok(faults.length > 0 && faults.every(({ isRepaired }) => isRepaired), JSON.stringify(faults));
    for (const point of crashPoints(recording, { random, reorderings: 3 })) {
      const crashed = point.file();
      assert.ok(
        (await repaired(crashed)).every(({ isRepaired }) => isRepaired),
        point.description,
      );
      assert.deepEqual(await repaired(crashed, false), [], point.description);
      assert.ok((await read(crashed)).equals(expected), point.description);
    }
    const onDisk = path.join(await folderOf(context), 'mended.vmdk');
    await writeFile(onDisk, file.peek(0, file.sizeBytes));
    await runProgram('qemu-img', ['check', '-f', 'vmdk', onDisk]);
  });
}

test('what neither copy tells stays as it is, and is said to: two tables that differ, both copies lost', async () => {
  const image = await sparse();
  const { table, redundant, gd, rgd } = placesOf(image);
  const second = image.peek(table + 4, 4);
  for (const changes of [
    [[table, u32(0)]],
    [[redundant, second]],
    [
      [table, u32(0xfffffff0)],
      [redundant, u32(0xfffffff1)],
    ],
    [
      [gd, u32(0xffffffff)],
      [rgd, u32(0xffffffff)],
    ],
  ] as const) {
    const broken = damaged(image, ...changes);
    const file = broken.copy();
    const faults = await repaired(file);
    assert.ok(faults.some(({ isRepaired, message }) => !isRepaired && /cannot be mended/.test(message)));
    assert.ok(file.peek(0, file.sizeBytes).equals(broken.peek(0, broken.sizeBytes)), 'nothing was written');
  }
});

test('a stream has no second copy: its faults are named, nothing is written, and a sound one is sound', async () => {
  const image = await stream();
  assert.deepEqual(await repaired(image.copy(undefined, false)), []);
  const gd = Number(image.peek(image.sizeBytes - 1024 + field.gdOffset, 8).readBigUInt64LE()) * sector;
  const broken = damaged(image, [gd, u32(0xffffffff)]);
  const faults = await repaired(broken);
  assert.match(faults[0]?.message ?? '', /cannot be mended/);
  await assert.rejects(repaired(image.copy(undefined, true)), { code: 'PermissionDenied' });
});

test('an image that was not closed properly: the mark goes once nothing else is wrong', async () => {
  const image = await sparse();
  const { table } = placesOf(image);
  const unclean = damaged(image, [72, Buffer.from([1])]);
  assert.deepEqual(
    (await repaired(unclean)).map(({ field: name, isRepaired }) => [name, isRepaired]),
    [['uncleanShutdown', true]],
  );
  assert.deepEqual(await repaired(unclean, false), []);
  const worse = damaged(image, [72, Buffer.from([1])], [table, u32(0)]);
  await repaired(worse);
  assert.equal((await repaired(worse, false)).at(-1)?.field, 'uncleanShutdown');
});

test('an image without a redundant directory: faults stay', async () => {
  const image = await sparse();
  const { table } = placesOf(image);
  const file = damaged(image, [8, u32(1)], [field.rgdOffset, u64(0n)], [table, u32(0xfffffff0)]);
  assert.ok((await repaired(file)).every(({ isRepaired }) => !isRepaired));
});
