import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import type { Disk } from '../../../../../engine/disks/disk.ts';
import { qcow2Driver } from '../../../../../engine/disks/qcow2/driver.ts';
import { DiskModel, modelAtCrash, randomProgram, runProgram, type Step } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { crashPoints, Recording, type CrashPoint } from '../../../../support/disks/recorded-file.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import { intoMemory, kibibyte, mebibyte, ontoDisk, qemuCheck, qemuImg, qemuIo } from './qemu.ts';

const points = Number(process.env['CKPT_QCOW2_CRASH_POINTS'] ?? 200);
const steps = 45;
const random = seededRandom();

interface Variant {
  name: string;
  /** Options of `qemu-img create`. */
  options: string;
  clusterSize: number;
  sizeBytes: number;
  /** So much is there already, and the program begins with the rest. Bytes. */
  filledBytes?: number;
  /** Looked at in fewer points: each takes long. */
  isLong?: boolean;
  hasParent?: boolean;
  hasSnapshot?: boolean;
}

const variants: Variant[] = [
  { name: 'a disk that stands alone', options: 'cluster_size=4k', clusterSize: 4096, sizeBytes: 192 * kibibyte },
  {
    name: 'a differencing layer',
    options: 'cluster_size=4k',
    clusterSize: 4096,
    sizeBytes: 192 * kibibyte,
    hasParent: true,
  },
  {
    name: 'new refcount blocks all the time',
    options: 'cluster_size=512,refcount_bits=64',
    clusterSize: 512,
    sizeBytes: 192 * kibibyte,
    hasParent: true,
  },
  {
    name: 'a refcount table that must grow',
    options: 'cluster_size=512,refcount_bits=64',
    clusterSize: 512,
    sizeBytes: 2.5 * mebibyte,
    filledBytes: 1945 * kibibyte,
    isLong: true,
  },
  {
    name: 'a layer with a snapshot inside',
    options: 'cluster_size=4k',
    clusterSize: 4096,
    sizeBytes: 128 * kibibyte,
    hasSnapshot: true,
  },
  {
    name: 'subclusters over a parent',
    options: 'cluster_size=16k,extended_l2=on',
    clusterSize: 16384,
    sizeBytes: 256 * kibibyte,
    hasParent: true,
  },
  {
    name: 'version 2 over a parent',
    options: 'cluster_size=1k,compat=0.10',
    clusterSize: 1024,
    sizeBytes: 96 * kibibyte,
    hasParent: true,
  },
];

for (const variant of variants) {
  test(`${variant.name}: after a crash at any instant, what was flushed is there and nothing else has changed`, async () => {
    const { sizeBytes, clusterSize, hasParent = false } = variant;
    await withFolder(async (folder) => {
      const image = await madeImage(folder, variant);
      const parent = hasParent ? await madeParent(sizeBytes) : undefined;
      const before = await contentBefore(image, parent, sizeBytes);

      const recording = new Recording();
      const file = recording.file('/memory/image.qcow2', image);
      const randomSteps = randomProgram({
        random,
        sizeBytes,
        steps: variant.isLong === true ? steps / 3 : steps,
        boundaries: [clusterSize, Math.floor(sizeBytes / 2)],
        longest: Math.min(sizeBytes / 2, 200 * clusterSize),
      });
      const rest: Step[] =
        variant.filledBytes === undefined
          ? []
          : [{ kind: 'write', offset: variant.filledBytes, length: sizeBytes - variant.filledBytes, tag: 99 }];
      const program = [...rest, ...randomSteps];
      await runProgram(program, {
        open: () => opened(file, parent),
        model: before.copy(),
        onBegin: () => recording.mark('begun'),
        onDone: () => recording.mark('done'),
      });

      let looked = 0;
      for (const point of crashPoints(recording, {
        random,
        reorderings: 2,
        points: variant.isLong === true ? points / 8 : points,
      })) {
        const begun = point.marks.filter((mark) => mark === 'begun').length;
        const done = point.marks.filter((mark) => mark === 'done').length;
        const expected = modelAtCrash(before, program, begun, done);
        await assertSurvived(point, expected, parent);
        looked++;
        if (looked % 40 === 0) {
          const onDisk = path.join(folder, 'crashed.qcow2');
          await ontoDisk(point.file(), onDisk);
          const { errors, output } = await qemuCheck(onDisk);
          assert.equal(errors, 0, `${point.description}: ${output}`);
        }
      }
      const tables = recording.operations.filter(
        ({ operation }) => operation.kind === 'write' && operation.offset === 0,
      );
      assert.ok(variant.filledBytes === undefined || tables.length > 0, 'the refcount table has grown');
      console.log(`${variant.name}: ${looked} states after a crash, ${recording.operations.length} operations`);
    });
  });
}

async function assertSurvived(point: CrashPoint, expected: DiskModel, parent: Disk | undefined): Promise<void> {
  const file = point.file();
  const layer = await opened(file, parent);
  await expected.assertPossible(layer, point.description);
  const found = await layer.check({ repair: false });
  const errors = found.filter((fault) => fault.severity === 'error');
  assert.deepEqual(errors, [], point.description);
  await layer.check({ repair: true });
  assert.deepEqual(await layer.check({ repair: false }), [], `after a repair, ${point.description}`);
  await expected.assertPossible(layer, `after a repair, ${point.description}`);
  await layer.close();
}

async function opened(file: MemoryFile, parent: Disk | undefined): ReturnType<typeof qcow2Driver.open> {
  const layer = await qcow2Driver.open({ file });
  if (parent !== undefined) {
    layer.attachParent(parent);
  }
  return layer;
}

async function madeImage(folder: string, variant: Variant): Promise<MemoryFile> {
  const file = path.join(folder, 'image.qcow2');
  const backing = variant.hasParent === true ? ['-F', 'qcow2', '-b', 'parent.qcow2'] : [];
  await qemuImg('create', '-q', '-f', 'qcow2', path.join(folder, 'parent.qcow2'), String(variant.sizeBytes));
  await qemuImg(...['create', '-q', '-f', 'qcow2', ...backing, '-o', variant.options, file], String(variant.sizeBytes));
  if (variant.hasSnapshot === true) {
    await qemuIo(file, [`write -P 17 0 ${variant.sizeBytes / 2}`]);
    await qemuImg('snapshot', '-c', 'before', file);
  }
  if (variant.filledBytes !== undefined) {
    await qemuIo(file, [`write -P 18 0 ${variant.filledBytes}`]);
  }
  return intoMemory(file);
}

/** A parent that is shorter than the disk, every sector of it its own. */
async function madeParent(sizeBytes: number): Promise<Disk> {
  const file = new MemoryFile('/memory/parent.qcow2');
  const parentBytes = sizeBytes - 24 * kibibyte;
  await qcow2Driver.create({ file, virtualSizeBytes: parentBytes, blockBytes: 8192 });
  const parent = await qcow2Driver.open({ file });
  const content = Buffer.alloc(parentBytes, 0);
  for (let at = 0; at < parentBytes; at += 512) {
    content.fill(0xee, at, at + 512);
    content.writeUInt32BE(at, at);
  }
  await parent.write(content, 0);
  return parent;
}

async function contentBefore(image: MemoryFile, parent: Disk | undefined, sizeBytes: number): Promise<DiskModel> {
  const layer = await opened(image.copy(undefined, true), parent);
  const content = Buffer.alloc(sizeBytes);
  await layer.read(content, 0);
  await layer.close();
  return new DiskModel(sizeBytes, new MemoryFile('/memory/before', content));
}
