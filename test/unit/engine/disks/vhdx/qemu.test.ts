import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import type { CreateLayer, Layer } from '../../../../../engine/disks/disk.ts';
import { vhdxDriver } from '../../../../../engine/disks/vhdx/driver.ts';
import { DiskModel, randomProgram, runProgram as runSteps } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { runProgram } from '../../../../support/project.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { folderOf } from '../../temporary-folder.ts';
import { mebibyte, newVhdx, openChain } from './vhdx-files.ts';

const random = seededRandom();
async function openFile(file: string, access: 'read' | 'write'): Promise<Layer> {
  return vhdxDriver.open({ file: await openDiskFile(file, access) });
}

async function createFile(file: string, options: Omit<CreateLayer, 'file'>): Promise<void> {
  const created = await openDiskFile(file, 'create');
  await vhdxDriver.create({ ...options, file: created });
  await created.close();
}

/** What qemu-img makes of a disk. */
async function readByQemu(file: string): Promise<Buffer> {
  const raw = `${file}.raw`;
  await runProgram('qemu-img', ['convert', '-q', '-f', 'vhdx', '-O', 'raw', file, raw]);
  return readFile(raw);
}

function assertSame(found: Buffer, model: DiskModel): void {
  assert.equal(found.length, model.sizeBytes);
  const expected = model.content(0, model.sizeBytes);
  const differs = found.findIndex((byte, index) => byte !== expected[index]);
  assert.ok(differs === -1 && found.equals(expected), `byte ${differs} differs`);
}

const sizeBytes = 24 * mebibyte;
const shape = {
  random,
  sizeBytes,
  steps: 60,
  longest: 2 * mebibyte,
  boundaries: [mebibyte, 2 * mebibyte, 8 * mebibyte],
};

for (const options of [
  { blockBytes: mebibyte },
  { blockBytes: 2 * mebibyte },
  { blockBytes: 32 * mebibyte },
  { blockBytes: 256 * mebibyte },
  { blockBytes: mebibyte, isFixed: true },
] satisfies Omit<CreateLayer, 'file'>[]) {
  const name = `${options.blockBytes / mebibyte} MiB blocks${'isFixed' in options ? ', fixed' : ''}`;
  test(`written here, read by qemu-img; written on by qemu-io, read here; ${name}`, async (context) => {
    const file = path.join(await folderOf(context), 'disk.vhdx');
    await createFile(file, { virtualSizeBytes: sizeBytes, ...options });
    const model = new DiskModel(sizeBytes);
    for (let round = 0; round < 2; round++) {
      await runSteps(randomProgram(shape), { open: () => openFile(file, 'write'), model });
      await runProgram('qemu-img', ['check', '-q', '-f', 'vhdx', file]);
      assertSame(await readByQemu(file), model);

      const commands: string[] = [];
      for (let write = 0; write < 12; write++) {
        const length = 512 * (1 + Math.floor(random() * 600));
        const offset = 512 * Math.floor((random() * (sizeBytes - length)) / 512);
        const pattern = 1 + Math.floor(random() * 255);
        commands.push('-c', `write -P ${pattern} ${offset} ${length}`);
        model.write(Buffer.alloc(length, pattern), offset);
      }
      await runProgram('qemu-io', ['-f', 'vhdx', ...commands, file]);
      const layer = await openFile(file, 'read');
      await model.assertSame(layer, 'after qemu-io');
      const errors = (await layer.check({ repair: false })).filter(({ severity }) => severity === 'error');
      assert.deepEqual(errors, []);
      await layer.close();
    }
  });
}

test('made by qemu-img, dynamic and fixed: read, written and compacted here, read by qemu-img', async (context) => {
  const folder = await folderOf(context);
  const raw = path.join(folder, 'content.raw');
  const content = Buffer.alloc(sizeBytes);
  content.fill('content ', 3 * mebibyte, 7 * mebibyte + 512).fill('more ', 20 * mebibyte, 20 * mebibyte + 777);
  await writeFile(raw, content);
  for (const subformat of ['dynamic', 'fixed']) {
    for (const blockSize of ['1M', '8M']) {
      const file = path.join(folder, `${subformat}-${blockSize}.vhdx`);
      const how = ['-o', `subformat=${subformat},block_size=${blockSize}`];
      await runProgram('qemu-img', ['convert', '-q', '-f', 'raw', '-O', 'vhdx', ...how, raw, file]);
      const model = new DiskModel(sizeBytes);
      model.write(content, 0);
      const layer = await openFile(file, 'write');
      await model.assertSame(layer, file);
      await layer.compact({});
      await layer.close();
      assertSame(await readByQemu(file), model);
      await runSteps(randomProgram(shape), { open: () => openFile(file, 'write'), model });
      assertSame(await readByQemu(file), model);
    }
  }
});

test('grown here, with the block allocation table moved: qemu-img follows', async (context) => {
  const file = path.join(await folderOf(context), 'disk.vhdx');
  await createFile(file, { virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const layer = await openFile(file, 'write');
  await layer.write(Buffer.alloc(mebibyte, 7), 5 * mebibyte);
  const grownBytes = 200 * 1024 * mebibyte;
  await layer.resize(grownBytes, {});
  await layer.write(Buffer.alloc(512, 8), grownBytes - 512);
  await layer.close();
  await runProgram('qemu-img', ['check', '-q', '-f', 'vhdx', file]);
  const reads = [
    `read -P 7 ${5 * mebibyte} 1M`,
    `read -P 8 ${grownBytes - 512} 512`,
    `read -P 0 ${grownBytes - mebibyte} 4096`,
  ];
  const output = await runProgram('qemu-io', ['-r', '-f', 'vhdx', ...reads.flatMap((read) => ['-c', read]), file]);
  assert.doesNotMatch(output, /Pattern verification failed/);
});

test('left with a log to replay by us: qemu-img replays it', async (context) => {
  const folder = await folderOf(context);
  const memory = await newVhdx({ virtualSizeBytes: sizeBytes, blockBytes: mebibyte });
  const model = new DiskModel(sizeBytes);
  const layer = await openChain(new WithoutTables(memory));
  for (let write = 0; write < 12; write++) {
    const content = Buffer.alloc(512 * (1 + write), write + 1);
    await layer.write(content, write * 2 * mebibyte);
    model.write(content, write * 2 * mebibyte);
  }
  await layer.flush();
  // Not closed: the table in its place knows nothing of the blocks, the log does.
  const file = path.join(folder, 'dirty.vhdx');
  await writeFile(file, memory.peek(0, memory.sizeBytes));
  assert.ok(memory.peek(3 * mebibyte, 4096).equals(Buffer.alloc(4096)));
  const ours = await openFile(file, 'read');
  await model.assertSame(ours, 'replayed here');
  await ours.close();
  await runProgram('qemu-img', ['check', '-q', '-r', 'all', '-f', 'vhdx', file]);
  assertSame(await readByQemu(file), model);
});

/** Loses what is written into the block allocation table's place, as when the power goes right after the log entry. */
class WithoutTables extends MemoryFile {
  readonly #target: MemoryFile;

  constructor(target: MemoryFile) {
    super(target.path);
    this.become(target);
    this.#target = target;
  }

  override async write(buffer: Buffer, offset: number): Promise<void> {
    await super.write(buffer, offset);
    if (offset < 3 * mebibyte || offset >= 4 * mebibyte) {
      await this.#target.write(buffer, offset);
    }
  }

  override async truncate(bytes: number): Promise<void> {
    await super.truncate(bytes);
    await this.#target.truncate(bytes);
  }
}
