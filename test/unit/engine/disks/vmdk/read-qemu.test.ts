import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { openChain } from '../../../../../engine/disks/open-chain.ts';
import { randomProgram } from '../../../../support/disks/disk-model.ts';
import { runProgram } from '../../../../support/project.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { unpackSharedImage, withoutSharedImages } from '../../../../support/shared-images.ts';
import { folderOf } from '../../temporary-folder.ts';
import { contentByExtents, contentOf, openVmdk, qemuContent, sha256 } from './images.ts';

const MiB = 1 << 20;
const random = seededRandom();

test(
  'dfvfs-ext2.vmdk, made by qemu-img → the content that others agreed on',
  { skip: withoutSharedImages },
  async (context) => {
    const layer = await openVmdk(await unpackSharedImage('dfvfs-ext2.vmdk', await folderOf(context)));
    assert.equal(sha256(await contentOf(layer)), 'a6c2f0e39afe6c6ab432ca5465349fcefe8dc944398e97b2d957d3f89dbb5d80');
    assert.deepEqual(await layer.check({ repair: false }), []);
    await layer.close();
  },
);

/** Commands for qemu-io: random writes and zeros, and what is there afterwards. */
function randomWrites(expected: Buffer, alignment: number): string[] {
  const steps = randomProgram({ random, sizeBytes: expected.length, steps: 60, longest: 2 * MiB, alignment });
  return steps.flatMap((step) => {
    if (step.kind === 'write') {
      expected.fill((step.tag % 255) + 1, step.offset, step.offset + step.length);
      return ['-c', `write -q -P ${(step.tag % 255) + 1} ${step.offset} ${step.length}`];
    }
    if (step.kind === 'zero') {
      expected.fill(0, step.offset, step.offset + step.length);
      return ['-c', `write -q -z ${step.offset} ${step.length}`];
    }
    return [];
  });
}

for (const options of [
  'subformat=monolithicSparse',
  'subformat=monolithicSparse,zeroed_grain=on',
  'subformat=monolithicFlat',
  'subformat=twoGbMaxExtentSparse',
  'subformat=twoGbMaxExtentFlat',
]) {
  test(`random writes by qemu-io into ${options} → read`, async (context) => {
    const image = path.join(await folderOf(context), 'disk.vmdk');
    const expected = Buffer.alloc(24 * MiB + 512);
    await runProgram('qemu-img', ['create', '-q', '-f', 'vmdk', '-o', options, image, String(expected.length)]);
    await runProgram('qemu-io', ['-f', 'vmdk', ...randomWrites(expected, 512), image]);
    const layer = await openVmdk(image);
    assert.equal(layer.virtualSizeBytes, expected.length);
    assert.ok((await contentOf(layer)).equals(expected));
    assert.ok((await contentOf(layer, 4096)).equals(expected));
    assert.ok((await contentByExtents(layer)).equals(expected));
    assert.deepEqual(await layer.check({ repair: false }), []);
    assert.equal(layer.isReadOnly, true);
    await layer.close();
  });
}

test('streamOptimized by qemu-img → read, compressed extents without a place in the file', async (context) => {
  const folder = await folderOf(context);
  const [raw, image] = [path.join(folder, 'a.raw'), path.join(folder, 'a.vmdk')];
  const content = Buffer.alloc(5 * MiB + 1024);
  for (let at = MiB; at < 3 * MiB; at++) {
    content[at] = (at * 31) >> 7;
  }
  content.fill('end', 5 * MiB);
  await writeFile(raw, content);
  await runProgram('qemu-img', ['convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, image]);
  const layer = await openVmdk(image);
  assert.ok((await contentOf(layer)).equals(content));
  assert.ok((await contentOf(layer, 5000)).equals(content));
  for await (const extent of layer.extents(0, content.length)) {
    assert.equal(extent.fileOffset, undefined);
    assert.equal(extent.isCompressed, extent.state === 'data' ? true : undefined);
  }
  assert.ok((await contentByExtents(layer)).equals(content));
  assert.equal(layer.details['createType'], 'streamOptimized');
  await layer.close();
});

test('a disk of several extents: reads cross from one to the next', async (context) => {
  const folder = await folderOf(context);
  for (const subformat of ['twoGbMaxExtentSparse', 'twoGbMaxExtentFlat']) {
    const image = path.join(folder, `${subformat}.vmdk`);
    await runProgram('qemu-img', ['create', '-q', '-f', 'vmdk', '-o', `subformat=${subformat}`, image, '5G']);
    const end = 2 ** 31;
    await runProgram('qemu-io', [
      '-f',
      'vmdk',
      '-c',
      `write -q -P 7 ${end - 100_352} 200704`,
      '-c',
      'write -q -P 9 5367660544 1M',
      image,
    ]);
    const layer = await openVmdk(image);
    assert.equal(layer.virtualSizeBytes, 5 * 2 ** 30);
    assert.equal(layer.details['extents'], 3);
    const found = Buffer.alloc(300_000);
    await layer.read(found, end - 150_000);
    assert.deepEqual(
      [
        found[0],
        found[150_000 - 100_353],
        found[150_000 - 100_352],
        found[150_000 + 100_351],
        found[150_000 + 100_352],
      ],
      [0, 0, 7, 7, 0],
    );
    assert.ok(found.subarray(150_000 - 100_352, 150_000 + 100_352).every((byte) => byte === 7));
    const data = [];
    for await (const extent of layer.extents(0, layer.virtualSizeBytes)) {
      if (extent.state === 'data') {
        data.push(extent.offset + extent.length);
      }
    }
    assert.equal(data.at(-1), 5 * 2 ** 30);
    await layer.close();
  }
});

for (const zeroed of ['off', 'on']) {
  test(`delta links by qemu-img, 4 deep, zeroed_grain=${zeroed} → each layer reads as QEMU reads it`, async (context) => {
    const folder = await folderOf(context);
    const expected = Buffer.alloc(12 * MiB);
    let below: string | undefined;
    const opened: Layer[] = [];
    for (let depth = 0; depth < 4; depth++) {
      const image = path.join(folder, `layer${depth}.vmdk`);
      const options = `subformat=${depth === 0 ? 'twoGbMaxExtentSparse' : 'monolithicSparse'},zeroed_grain=${zeroed}`;
      const backing = below === undefined ? [] : ['-b', path.basename(below), '-F', 'vmdk'];
      await runProgram('qemu-img', [
        'create',
        '-q',
        '-f',
        'vmdk',
        '-o',
        options,
        ...backing,
        image,
        String(expected.length),
      ]);
      await runProgram('qemu-io', ['-f', 'vmdk', ...randomWrites(expected, 512), image]);
      // Only now is the parent's content id what the child will look for.
      const layer = await openVmdk(image, opened.at(-1));
      opened.push(layer);
      assert.ok((await contentOf(layer)).equals(expected), `depth ${depth}`);
      assert.ok((await contentOf(layer)).equals(await qemuContent(image, path.join(folder, 'copy.raw'))));
      if (depth > 0) {
        const parent = opened[depth - 1];
        assert.ok(parent !== undefined);
        assert.deepEqual(layer.parentReference, { paths: [`layer${depth - 1}.vmdk`], format: 'vmdk' });
        assert.deepEqual(layer.compareParent(parent), []);
      }
      below = image;
    }
    const states = new Set<string>();
    for (const layer of opened) {
      for await (const extent of layer.extents(0, expected.length)) {
        states.add(extent.state);
      }
    }
    assert.deepEqual([...states].sort(), zeroed === 'on' ? ['data', 'parent', 'zero'] : ['data', 'parent']);
    await Promise.all(opened.map((layer) => layer.close()));
  });
}

test('a parent that was written after its child was made → the difference is told', async (context) => {
  const folder = await folderOf(context);
  const [base, child] = [path.join(folder, 'base.vmdk'), path.join(folder, 'child.vmdk')];
  await runProgram('qemu-img', ['create', '-q', '-f', 'vmdk', base, '4M']);
  await runProgram('qemu-img', ['create', '-q', '-f', 'vmdk', '-b', 'base.vmdk', '-F', 'vmdk', child]);
  await runProgram('qemu-io', ['-f', 'vmdk', '-c', 'write -q -P 1 0 64k', base]);
  const [parent, layer] = [await openVmdk(base), await openVmdk(child)];
  assert.deepEqual(layer.compareParent(parent), [
    { field: 'parentCID', expected: layer.identity['parentCID'], found: parent.identity['CID'] },
  ]);
  await assert.rejects(layer.read(Buffer.alloc(512), 0), { code: 'ParentMismatch' });
  await assert.rejects(layer.write(Buffer.alloc(512), 0), { code: 'PermissionDenied' });
  await Promise.all([parent.close(), layer.close()]);
});

test('a delta link whose hint leads to another folder or system → its parent is found beside it', async (context) => {
  const folder = await folderOf(context);
  await runProgram('qemu-img', ['create', '-q', '-f', 'vmdk', path.join(folder, 'base.vmdk'), '4M']);
  const child = path.join(folder, 'child.vmdk');
  for (const hint of [
    '/vmfs/volumes/5f0a11c2/a machine/base.vmdk',
    'C:\\Virtual Machines\\a\\base.vmdk',
    'base.vmdk',
  ]) {
    const base = await openVmdk(path.join(folder, 'base.vmdk'));
    const text = [
      '# Disk DescriptorFile',
      'version=1',
      'encoding="windows-1252"',
      'CID=0000abcd',
      `parentCID=${base.identity['CID'] ?? ''}`,
      'createType="vmfsSparse"',
      `parentFileNameHint="${hint}"`,
      'RW 8192 ZERO',
      '',
    ];
    await base.close();
    await writeFile(child, text.join('\r\n'));
    const chain = await openChain(child);
    assert.equal(chain.base.file.path, path.join(folder, 'base.vmdk'), hint);
    await chain.close();
  }
});

test('a delta link that is longer than its parent → zeros beyond the parent', async (context) => {
  const folder = await folderOf(context);
  const [base, child] = [path.join(folder, 'base.vmdk'), path.join(folder, 'child.vmdk')];
  await runProgram('qemu-img', ['create', '-q', '-f', 'vmdk', base, '1049088']);
  await runProgram('qemu-io', ['-f', 'vmdk', '-c', 'write -q -P 1 0 1049088', base]);
  await runProgram('qemu-img', ['create', '-q', '-f', 'vmdk', '-b', 'base.vmdk', '-F', 'vmdk', child, '4M']);
  const layer = await openVmdk(child, await openVmdk(base));
  const expected = Buffer.alloc(4 * MiB).fill(1, 0, 1_049_088);
  assert.ok((await contentOf(layer)).equals(expected));
  await layer.close();
});

/** An ESX Server sparse extent with one sector to a grain, as snapshots on VMFS have them. */
function cowdExtent(sectors: ReadonlyMap<number, Buffer>, capacity: number): Buffer {
  const tableCount = Math.ceil(capacity / 4096);
  const directorySectors = Math.ceil((tableCount * 4) / 512);
  const tablesAt = 4 + directorySectors;
  const file = Buffer.alloc((tablesAt + tableCount * 32 + sectors.size) * 512);
  file.write('COWD', 'latin1');
  [1, 3, capacity, 1, 4, tableCount, file.length / 512].forEach((value, index) =>
    file.writeUInt32LE(value, 4 + index * 4),
  );
  let next = tablesAt + tableCount * 32;
  for (const [sector, content] of sectors) {
    const table = Math.floor(sector / 4096);
    file.writeUInt32LE(tablesAt + table * 32, 4 * 512 + table * 4);
    file.writeUInt32LE(next, (tablesAt + table * 32) * 512 + (sector % 4096) * 4);
    content.copy(file, next * 512);
    next++;
  }
  return file;
}

test('a vmfsSparse delta on a flat disk → as QEMU reads it', async (context) => {
  const folder = await folderOf(context);
  const base = path.join(folder, 'base.vmdk');
  const capacity = (9 * MiB) / 512;
  await runProgram('qemu-img', [
    'create',
    '-q',
    '-f',
    'vmdk',
    '-o',
    'subformat=monolithicFlat',
    base,
    String(capacity * 512),
  ]);
  await runProgram('qemu-io', ['-f', 'vmdk', '-c', 'write -q -P 1 0 4M', '-c', 'write -q -P 2 8M 1M', base]);
  const parent = await openVmdk(base);
  const sectors = new Map<number, Buffer>();
  for (let count = 0; count < 500; count++) {
    const sector = Math.floor(random() * (count % 2 === 0 ? 300 : capacity));
    sectors.set(sector, Buffer.alloc(512, 3 + (sector % 250)));
  }
  await writeFile(path.join(folder, 'snap-delta.vmdk'), cowdExtent(sectors, capacity));
  const snap = path.join(folder, 'snap.vmdk');
  const text = [
    '# Disk DescriptorFile',
    'version=1',
    'CID=0000abcd',
    `parentCID=${parent.identity['CID'] ?? ''}`,
    'createType="vmfsSparse"',
    'parentFileNameHint="base.vmdk"',
    `RW ${capacity} VMFSSPARSE "snap-delta.vmdk"`,
    '',
  ];
  await writeFile(snap, text.join('\n'));
  const layer = await openVmdk(snap, parent);
  assert.deepEqual(layer.compareParent(parent), []);
  const expected = await contentOf(parent);
  sectors.forEach((content, sector) => content.copy(expected, sector * 512));
  assert.ok((await contentOf(layer)).equals(expected));
  assert.ok((await qemuContent(snap, path.join(folder, 'copy.raw'))).equals(expected), 'QEMU agrees');
  assert.deepEqual(await layer.check({ repair: false }), []);
  await Promise.all([layer.close(), parent.close()]);
});
