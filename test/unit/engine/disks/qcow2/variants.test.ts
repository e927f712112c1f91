import { open } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openDiskFile } from '../../../../../engine/disks/disk-file.ts';
import { qcow2Driver } from '../../../../../engine/disks/qcow2/driver.ts';
import { DiskModel, randomProgram, runProgram } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';
import {
  assertClean,
  assertSameContent,
  contentOf,
  kibibyte,
  mebibyte,
  qemuContent,
  qemuImg,
  qemuIo,
  randomQemuCommands,
} from './qemu.ts';

const steps = Number(process.env['CKPT_QCOW2_STEPS'] ?? 120);

interface Variant {
  name: string;
  options: string;
  clusterSize: number;
  sizeBytes?: number;
  isCompressing?: boolean;
  hasDataFile?: boolean;
}

const clusterSizes = Array.from({ length: 13 }, (_, power) => 512 * 2 ** power);

const variants: Variant[] = [
  ...clusterSizes.map((clusterSize) => ({
    name: `clusters of ${clusterSize} bytes`,
    options: `cluster_size=${clusterSize}`,
    clusterSize,
    sizeBytes: Math.max(mebibyte, Math.min(8 * mebibyte, clusterSize * 20)),
  })),
  { name: 'version 2', options: 'compat=0.10', clusterSize: 64 * kibibyte },
  { name: 'version 2 with small clusters', options: 'compat=0.10,cluster_size=1024', clusterSize: 1024 },
  { name: 'lazy refcounts', options: 'lazy_refcounts=on', clusterSize: 64 * kibibyte },
  ...[1, 2, 4, 8, 16, 32, 64].map((bits) => ({
    name: `refcounts of ${bits} bits`,
    options: `refcount_bits=${bits},cluster_size=4096`,
    clusterSize: 4096,
  })),
  ...[16, 64, 2048].map((size) => ({
    name: `subclusters in clusters of ${size} KiB`,
    options: `extended_l2=on,cluster_size=${size}k`,
    clusterSize: size * kibibyte,
    sizeBytes: Math.max(4, (size / 1024) * 6) * mebibyte,
  })),
  { name: 'zlib', options: 'compression_type=zlib', clusterSize: 64 * kibibyte, isCompressing: true },
  {
    name: 'zlib in clusters of 2 MiB',
    options: 'cluster_size=2M',
    clusterSize: 2 * mebibyte,
    sizeBytes: 16 * mebibyte,
    isCompressing: true,
  },
  { name: 'zlib in clusters of 512 bytes', options: 'cluster_size=512', clusterSize: 512, isCompressing: true },
  { name: 'zlib in version 2', options: 'compat=0.10', clusterSize: 64 * kibibyte, isCompressing: true },
  {
    name: 'zlib with subclusters',
    options: 'extended_l2=on,cluster_size=64k',
    clusterSize: 64 * kibibyte,
    isCompressing: true,
  },
  { name: 'zstd', options: 'compression_type=zstd', clusterSize: 64 * kibibyte, isCompressing: true },
  {
    name: 'zstd in clusters of 4 KiB',
    options: 'compression_type=zstd,cluster_size=4k',
    clusterSize: 4096,
    isCompressing: true,
  },
  { name: 'metadata preallocated', options: 'preallocation=metadata', clusterSize: 64 * kibibyte },
  { name: 'an external data file', options: 'data_file=FOLDER/data', clusterSize: 64 * kibibyte, hasDataFile: true },
  {
    name: 'a raw external data file',
    options: 'data_file=FOLDER/data,data_file_raw=on',
    clusterSize: 64 * kibibyte,
    hasDataFile: true,
  },
  {
    name: 'an external data file with subclusters',
    options: 'data_file=FOLDER/data,extended_l2=on',
    clusterSize: 64 * kibibyte,
    hasDataFile: true,
  },
];

const random = seededRandom();

for (const variant of variants) {
  test(`${variant.name}: QEMU writes → we read → we write → QEMU reads`, async () => {
    const { sizeBytes = 4 * mebibyte, clusterSize, isCompressing = false } = variant;
    await withFolder(async (folder) => {
      const file = path.join(folder, 'image.qcow2');
      const options = variant.options.replaceAll('FOLDER', folder);
      await qemuImg('create', '-q', '-f', 'qcow2', '-o', options, file, String(sizeBytes));
      await qemuIo(
        file,
        randomQemuCommands(random, { sizeBytes, clusterSize, steps: 40, isCompressing }),
        variant.options.includes('lazy') ? [] : ['-d', 'unmap'],
      );

      const expected = await qemuContent(file);
      const read = await openImage(file, 'read');
      assertSameContent(await contentOf(read), expected, 'what QEMU wrote');
      await read.close();

      const model = new DiskModel(sizeBytes, new MemoryFile('/memory/expected', expected));
      const boundaries = [clusterSize, 3 * clusterSize, Math.floor(clusterSize / 32) * 7];
      await runProgram(randomProgram({ random, sizeBytes, steps, boundaries, longest: 4 * clusterSize }), {
        open: () => openImage(file, 'write'),
        model,
      });
      await assertClean(file);
      assertSameContent(await qemuContent(file), model.content(0, sizeBytes), 'what we wrote');
      if (variant.options.includes('data_file_raw')) {
        const data = Buffer.alloc(sizeBytes);
        const handle = await open(path.join(folder, 'data'));
        await handle.read(data, 0, sizeBytes, 0);
        await handle.close();
        assertSameContent(data, model.content(0, sizeBytes), 'the raw data file by itself');
      }
    });
  });
}

async function openImage(file: string, access: 'read' | 'write'): ReturnType<typeof qcow2Driver.open> {
  return qcow2Driver.open({
    file: await openDiskFile(file, access),
    openOther: (other) => openDiskFile(other, access),
  });
}
