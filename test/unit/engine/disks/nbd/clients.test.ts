// The programs that will be pointed at the server: QEMU's, and libnbd's where they are installed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import { startNbdServer } from '../../../../../engine/disks/nbd/server.ts';
import { rawDriver } from '../../../../../engine/disks/raw/driver.ts';
import { randomProgram, taggedContent } from '../../../../support/disks/disk-model.ts';
import { runProgram } from '../../../../support/project.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { folderOf } from '../../temporary-folder.ts';
import { BlockDisk, blockBytes } from './block-disk.ts';
import { serve } from './serving.ts';

const MiB = 1 << 20;
const withoutLibnbd =
  spawnSync('nbdinfo', ['--version']).error === undefined ? false : 'libnbd-bin is not installed (nbdinfo, nbdcopy)';

/** A chain of three layers in memory, with data, zeros and holes in each. */
async function chainOfThree(): Promise<[BlockDisk, BlockDisk, BlockDisk]> {
  const size = 24 * MiB;
  const base = new BlockDisk(size - 5 * MiB);
  await base.write(taggedContent(0, 4 * MiB, 1), 0);
  await base.write(taggedContent(18 * MiB, MiB, 2), 18 * MiB);
  const middle = new BlockDisk(size, { parent: base });
  await middle.zero(MiB, MiB);
  await middle.write(taggedContent(8 * MiB + 512, 70_000, 3), 8 * MiB + 512);
  const top = new BlockDisk(size, { parent: middle });
  await top.write(taggedContent(3 * MiB - 100, 200, 4), 3 * MiB - 100);
  await top.zero(18 * MiB, 64 * 1024);
  await top.write(taggedContent(size - 512, 512, 5), size - 512);
  return [top, middle, base];
}

async function contentOf(disk: BlockDisk): Promise<Buffer> {
  const content = Buffer.alloc(disk.virtualSizeBytes);
  await disk.read(content, 0);
  return content;
}

test('qemu-nbd --list shows the export', async (context) => {
  const disk = new BlockDisk(24 * MiB);
  const server = await serve(context, [disk], { exportName: 'machine/disk0', description: 'Now of fedora' });
  const listed = await runProgram('qemu-nbd', ['--list', '-k', server.socketPath]);
  assert.match(listed, /export: 'machine\/disk0'\n {2}description: Now of fedora\n {2}size: {2}25165824\n/);
  assert.match(listed, /flags: .*\( flush fua trim zeroes df multi cache fast-zero \)/);
  assert.match(listed, /max block: 33554432\n/);
  assert.match(listed, /base:allocation\n {3}qemu:allocation-depth\n/);
});

test('qemu-img convert of a chain → its content, and holes stay holes', async (context) => {
  const chain = await chainOfThree();
  const server = await serve(context, chain, { isReadOnly: true });
  const copy = path.join(await folderOf(context), 'copy.raw');
  await runProgram('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', server.uri, copy]);
  assert.ok((await readFile(copy)).equals(await contentOf(chain[0])));
  assert.ok((await stat(copy)).blocks * 512 < 8 * MiB);
});

test('qemu-img map shows data, zeros and holes across the chain', async (context) => {
  const chain = await chainOfThree();
  const server = await serve(context, chain, { isReadOnly: true });
  const printed = await runProgram('qemu-img', ['map', '-f', 'raw', '--output=json', server.uri]);
  const extents: unknown = JSON.parse(printed);
  assert.ok(Array.isArray(extents));
  const found = extents.map((extent: { start: number; length: number; zero: boolean; data: boolean }) => [
    extent.start,
    extent.length,
    extent.data ? 'data' : extent.zero ? 'zero' : '?',
  ]);
  const block = (bytes: number): number => Math.ceil(bytes / blockBytes) * blockBytes;
  const end = 8 * MiB + block(512 + 70_000);
  assert.deepEqual(found, [
    [0, MiB, 'data'],
    [MiB, MiB, 'zero'],
    [2 * MiB, 2 * MiB, 'data'],
    [4 * MiB, 4 * MiB, 'zero'],
    [8 * MiB, end - 8 * MiB, 'data'],
    [end, 18 * MiB + 65_536 - end, 'zero'],
    [18 * MiB + 65_536, MiB - 65_536, 'data'],
    [19 * MiB, 5 * MiB - blockBytes, 'zero'],
    [24 * MiB - blockBytes, blockBytes, 'data'],
  ]);
});

test('qemu-img compare finds two servers’ disks equal, and then not', async (context) => {
  const [first, second] = [await chainOfThree(), await chainOfThree()];
  const uris = [await serve(context, first), await serve(context, second)].map(({ uri }) => uri);
  const compare = ['compare', '-f', 'raw', '-F', 'raw', ...uris];
  assert.match(await runProgram('qemu-img', compare), /Images are identical/);
  await second[0].write(Buffer.from([1]), 12 * MiB + 77);
  await assert.rejects(runProgram('qemu-img', compare), /Content mismatch at offset 12582912/);
});

test('random writes, zeros and discards by qemu-io → the disk holds them', async (context) => {
  const random = seededRandom();
  const disk = new BlockDisk(8 * MiB, { parent: (await chainOfThree())[0] });
  const expected = await contentOf(disk);
  const server = await serve(context, [disk]);
  const steps = randomProgram({ random, sizeBytes: 8 * MiB, steps: 120, longest: 2 * MiB, alignment: 512 });
  const commands = steps.flatMap((step) => {
    switch (step.kind) {
      case 'write':
        expected.fill((step.tag % 255) + 1, step.offset, step.offset + step.length);
        return [`write -q -P ${(step.tag % 255) + 1} ${step.tag % 5 === 0 ? '-f ' : ''}${step.offset} ${step.length}`];
      case 'zero':
        expected.fill(0, step.offset, step.offset + step.length);
        return [`write -q -z ${random() < 0.5 ? '-u ' : ''}${step.offset} ${step.length}`];
      case 'discard':
        expected.fill(0, step.offset, step.offset + step.length);
        return [`discard -q ${step.offset} ${step.length}`];
      default:
        return ['flush'];
    }
  });
  await runProgram('qemu-io', ['-f', 'raw', ...commands.flatMap((each) => ['-c', each]), server.uri]);
  const found = await contentOf(disk);
  const difference = found.findIndex((byte, at) => byte !== expected[at]);
  assert.equal(difference, -1, `differs at ${difference}`);
});

test('qemu-img convert into the server, over a disk that holds other data → content as the source', async (context) => {
  const folder = await folderOf(context);
  const source = path.join(folder, 'source.raw');
  const content = await contentOf((await chainOfThree())[0]);
  await writeFile(source, content);
  const disk = new BlockDisk(content.length);
  await disk.write(Buffer.alloc(content.length, 0xaa), 0);
  const server = await serve(context, [disk]);
  await runProgram('qemu-img', ['convert', '-n', '-W', '-f', 'raw', '-O', 'raw', source, server.uri]);
  assert.ok((await contentOf(disk)).equals(content));
});

test('a write to a read-only server is refused to qemu-io', async (context) => {
  const disk = new BlockDisk(MiB);
  const server = await serve(context, [disk], { isReadOnly: true });
  await assert.rejects(runProgram('qemu-io', ['-f', 'raw', '-c', 'write 0 512', server.uri]), /read-?only|denied/i);
  assert.equal(disk.calls.write, 0);
});

test('several qemu-io at once, each in its own range → all of their writes are there', async (context) => {
  const disk = new BlockDisk(8 * MiB);
  const server = await serve(context, [disk]);
  const commands = (client: number): string[] =>
    Array.from({ length: 16 }, (_, index) => client * 2 * MiB + index * 131_072).flatMap((offset) => [
      '-c',
      `aio_write -q -P ${client + 1} ${offset} 131072`,
    ]);
  await Promise.all(
    [0, 1, 2, 3].map((client) =>
      runProgram('qemu-io', ['-f', 'raw', ...commands(client), '-c', 'aio_flush', server.uri]),
    ),
  );
  const content = await contentOf(disk);
  assert.ok(
    [0, 1, 2, 3].every((client) =>
      content.subarray(client * 2 * MiB, (client + 1) * 2 * MiB).every((byte) => byte === client + 1),
    ),
  );
});

test('nbdinfo --map=qemu:allocation-depth names the layer', { skip: withoutLibnbd }, async (context) => {
  const server = await serve(context, await chainOfThree(), { isReadOnly: true });
  const map = await runProgram('nbdinfo', ['--map=qemu:allocation-depth', server.uri]);
  const depths = map
    .trim()
    .split('\n')
    .map((line) => Number(line.trim().split(/\s+/)[2]));
  assert.deepEqual([...new Set(depths)].sort(), [0, 1, 2, 3]);
  const allocated = await runProgram('nbdinfo', ['--map', '--totals', server.uri]);
  assert.match(allocated, /data/);
  assert.match(allocated, /hole,zero/);
});

test('nbdcopy reads and writes through several connections', { skip: withoutLibnbd }, async (context) => {
  const folder = await folderOf(context);
  const chain = await chainOfThree();
  const source = await serve(context, chain);
  const content = await contentOf(chain[0]);
  const copy = path.join(folder, 'copy.raw');
  await runProgram('nbdcopy', [source.uri, copy]);
  assert.ok((await readFile(copy)).equals(content));
  const disk = new BlockDisk(content.length);
  await disk.write(Buffer.alloc(content.length, 0xaa), 0);
  const target = await serve(context, [disk]);
  await runProgram('nbdcopy', ['--connections=4', '--flush', copy, target.uri]);
  assert.ok((await contentOf(disk)).equals(content));
  assert.ok(disk.calls.flush > 0);
});

test('a raw file on the volume, served read-write: qemu-io’s flushed writes are in the file', async (context) => {
  const folder = await folderOf(context);
  const image = path.join(folder, 'disk.raw');
  const created = await openDiskFile(image, 'create');
  await rawDriver.create({ file: created, virtualSizeBytes: 4 * MiB });
  await created.close();
  const layer = await rawDriver.open({ file: await openDiskFile(image, 'write') });
  const server = await startNbdServer({ chain: [layer], isReadOnly: false, socketPath: path.join(folder, 's') });
  try {
    await runProgram('qemu-io', ['-f', 'raw', '-c', 'write -q -P 9 1M 64k', '-c', 'flush', server.uri]);
    const content = await readFile(image);
    assert.ok(content.subarray(MiB, MiB + 65_536).every((byte) => byte === 9));
    assert.ok(content.subarray(0, MiB).every((byte) => byte === 0));
  } finally {
    await server.stop();
    await layer.close();
  }
});
