import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import type { Layer } from '../../../../../engine/disks/disk.ts';
import { qcow2Driver } from '../../../../../engine/disks/qcow2/driver.ts';
import { Qcow2Layer } from '../../../../../engine/disks/qcow2/layer.ts';
import { FuzzCorpus } from '../../../../support/disks/fuzz-corpus.ts';
import type { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { fuzzOpen, type MutationRange } from '../../../../support/disks/mutate.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { randomFrom, seededRandom } from '../../../../support/seeded-random.ts';
import { intoMemory, kibibyte, mebibyte, qemuImg, qemuIo, randomQemuCommands } from './qemu.ts';

const rounds = Number(process.env['CKPT_FUZZ_ROUNDS'] ?? 2500);
const corpus = new FuzzCorpus(import.meta.dirname);
const random = seededRandom();

const shapes = [
  { name: 'version 3 with snapshots', options: 'cluster_size=4k', clusterSize: 4096, hasSnapshots: true },
  { name: 'version 2', options: 'compat=0.10,cluster_size=512', clusterSize: 512 },
  { name: 'subclusters', options: 'cluster_size=16k,extended_l2=on', clusterSize: 16384 },
  { name: 'zlib clusters', options: 'cluster_size=4k', clusterSize: 4096, isCompressing: true },
  {
    name: 'zstd clusters',
    options: 'cluster_size=4k,compression_type=zstd',
    clusterSize: 4096,
    isCompressing: true,
  },
  { name: 'refcounts of 1 bit', options: 'cluster_size=2M,refcount_bits=1', clusterSize: 2 * mebibyte },
];

for (const shape of shapes) {
  test(`${shape.name}: a mutated header or table ends in an error that names it, or in an image that reads`, async () => {
    const image = await withFolder((folder) => madeImage(folder, shape));
    const { opened, refused } = await fuzzOpen(qcow2Driver, image, tablesOf(image, shape.clusterSize), {
      random,
      // Each round counts millions of refcounts there.
      rounds: shape.clusterSize > mebibyte ? rounds / 20 : rounds,
      exercise,
      corpus: { all: corpus, image: shape.name },
    });
    console.log(`${shape.name}: ${opened} opened, ${JSON.stringify([...refused])}`);
    assert.ok(opened > 0 && refused.size > 0);
    assert.ok(
      [...refused.keys()].every((code) => ['ImageDamaged', 'UnsupportedDisk', 'ParentMismatch'].includes(code)),
    );
  });
}

/** The same in every run. */
async function madeImage(
  folder: string,
  shape: { options: string; clusterSize: number; hasSnapshots?: boolean; isCompressing?: boolean },
): Promise<MemoryFile> {
  const made = randomFrom(1);
  const file = path.join(folder, 'image.qcow2');
  const sizeBytes = Math.max(512 * kibibyte, shape.clusterSize * 4);
  await qemuImg('create', '-q', '-f', 'qcow2', '-o', shape.options, file, String(sizeBytes));
  for (let round = 0; round < 3; round++) {
    const isCompressing = round === 0 && shape.isCompressing === true;
    const commands = randomQemuCommands(made, { ...shape, isCompressing, sizeBytes, steps: 10 });
    await qemuIo(file, commands);
    if (shape.hasSnapshots === true) {
      await qemuImg('snapshot', '-c', `snapshot ${round}`, file);
    }
  }
  return intoMemory(file);
}

/** Header with extensions, refcount table, first refcount block, L1 table, first L2 table, snapshot table, compressed data. */
function tablesOf(image: MemoryFile, clusterSize: number): MutationRange[] {
  const header = image.peek(0, 104);
  const refcountTable = Number(header.readBigUInt64BE(48));
  const l1Table = Number(header.readBigUInt64BE(40));
  const l1Length = header.readUInt32BE(36) * 8;
  const refcountBlock = Number(image.peek(refcountTable, 8).readBigUInt64BE(0));
  const l2Table = Number(image.peek(l1Table, 8).readBigUInt64BE(0) & 0x00fffffffffffe00n);
  const snapshots = Number(header.readBigUInt64BE(64));
  const ranges = [
    { offset: 0, length: 112 },
    { offset: 0, length: 480 },
    { offset: refcountTable, length: 64 },
    { offset: refcountBlock, length: Math.min(clusterSize, 256) },
    { offset: l1Table, length: l1Length },
    { offset: l2Table, length: Math.min(clusterSize, 1024) },
    ...compressedData(image, l2Table, clusterSize),
    ...(header.readUInt32BE(60) > 0 ? [{ offset: snapshots, length: 256 }] : []),
  ];
  return ranges.filter(({ offset, length }) => length > 0 && offset + length <= image.sizeBytes);
}

function compressedData(image: MemoryFile, l2Table: number, clusterSize: number): MutationRange[] {
  const offsetBits = BigInt(62 - (Math.log2(clusterSize) - 8));
  for (let at = l2Table; at < l2Table + clusterSize; at += 8) {
    const entry = image.peek(at, 8).readBigUInt64BE(0);
    if ((entry & (1n << 62n)) !== 0n) {
      const offset = Number(entry & ((1n << offsetBits) - 1n));
      return [
        { offset, length: 24 },
        { offset, length: 512 },
      ];
    }
  }
  return [];
}

async function exercise(layer: Layer): Promise<void> {
  assert.ok(layer instanceof Qcow2Layer);
  for (const { id } of (await layer.snapshots()).slice(0, 3)) {
    const snapshot = await layer.openSnapshot(id);
    const buffer = Buffer.alloc(Math.min(65536, snapshot.virtualSizeBytes));
    await snapshot.read(buffer, 0);
    await snapshot.read(buffer, snapshot.virtualSizeBytes - buffer.length);
  }
}
