import assert from 'node:assert/strict';
import { copyFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { info } from '../../../../../engine/disks/operations/info.ts';
import { bytesToMerge, merge } from '../../../../../engine/disks/operations/merge.ts';
import { openChain } from '../../../../../engine/disks/open-chain.ts';
import type { DiskFormat } from '../../../../../engine/model/machine.ts';
import { makeChain, type ChainShape, type MadeChain } from '../../../../support/disks/chains.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { runProgram } from '../../../../support/project.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';

const mib = 1024 * 1024;
const rounds = Number(process.env['CKPT_MERGE_ROUNDS'] ?? 1);

/** Differencing formats, each with its smallest and another block size. */
const shapes: readonly { format: DiskFormat; blockBytes: number }[] = [
  { format: 'qcow2', blockBytes: 512 },
  { format: 'qcow2', blockBytes: 64 * 1024 },
  { format: 'vhd', blockBytes: 512 * 1024 },
  { format: 'vhd', blockBytes: 2 * mib },
  { format: 'vhdx', blockBytes: mib },
  { format: 'vhdx', blockBytes: 32 * mib },
];

async function assertChain(file: string, made: MadeChain, model: number, message: string): Promise<void> {
  const chain = await openChain(file);
  try {
    await made.models[model]?.assertSame(chain.top, message);
  } finally {
    await chain.close();
  }
}

/** What qemu-img can read: all but differencing VHDs and VHDXs. */
async function assertQemuReads(file: string, made: MadeChain, model: number): Promise<void> {
  const { format, parent } = await info(file);
  const expected = made.models[model];
  if (expected !== undefined && (format === 'qcow2' || parent === undefined)) {
    const raw = `${file}.expected`;
    await writeFile(raw, expected.content(0, expected.sizeBytes));
    await runProgram('qemu-img', ['compare', '-f', format === 'vhd' ? 'vpc' : format, '-F', 'raw', file, raw]);
    await rm(raw);
  }
}

function fileOf(made: MadeChain, depth: number): string {
  return made.files[depth] ?? assert.fail(`no layer ${depth}`);
}

function shapeOf(random: () => number, format: DiskFormat, blockBytes: number, layers: number): ChainShape {
  return {
    random,
    formats: Array<DiskFormat>(layers).fill(format),
    sizesBytes: [6 * mib + 8192],
    steps: 25,
    blockBytes,
    boundaries: [blockBytes, 2 * blockBytes, mib, 4 * mib],
  };
}

for (const { format, blockBytes } of shapes) {
  for (let layers = 2; layers <= 5; layers++) {
    const name = `${format} with blocks of ${blockBytes / 1024} KiB, ${layers} layers`;

    test(`child into ancestor: ${name}`, () =>
      withFolder(async (folder) => {
        const random = seededRandom();
        for (let round = 0; round < rounds; round++) {
          const made = await makeChain(folder, shapeOf(random, format, blockBytes, layers));
          const child = Math.floor(random() * (layers - 1));
          const depth = 1 + Math.floor(random() * (layers - 1 - child));
          const ancestor = fileOf(made, child + depth);
          const result = await merge(fileOf(made, child), { into: 'ancestor', ancestor });
          assert.equal(result.into, ancestor);
          assert.deepEqual(result.obsolete, made.files.slice(child, child + depth));
          await assertChain(ancestor, made, child, `the ancestor (${depth} below layer ${child}) now`);
          await assertChain(fileOf(made, child), made, child, 'the child as before');
          await merge(fileOf(made, child), { into: 'ancestor', ancestor });
          await assertChain(ancestor, made, child, 'the ancestor, after the same again');
          await assertQemuReads(ancestor, made, child);
          await Promise.all(made.files.map((file) => rm(file)));
        }
      }));

    test(`ancestor into child: ${name}`, () =>
      withFolder(async (folder) => {
        const random = seededRandom();
        for (let round = 0; round < rounds; round++) {
          const made = await makeChain(folder, shapeOf(random, format, blockBytes, layers));
          const child = Math.floor(random() * (layers - 1));
          const depth = 1 + Math.floor(random() * (layers - 1 - child));
          const result = await merge(fileOf(made, child), { into: 'child', ancestor: fileOf(made, child + depth) });
          assert.equal(result.into, fileOf(made, child));
          assert.deepEqual(result.obsolete, made.files.slice(child + 1, child + depth + 1));
          await Promise.all(result.obsolete.map((file) => rm(file)));
          await assertChain(fileOf(made, child), made, child, `the child (${depth} layers below merged)`);
          await assertQemuReads(fileOf(made, child), made, child);
          const chain = await openChain(fileOf(made, child));
          assert.equal(chain.layers.length, layers - child - depth);
          await chain.close();
          await Promise.all(made.files.map((file) => rm(file, { force: true })));
        }
      }));
  }
}

test('a parent that is shorter than the child is grown, and what lies below its old end stays hidden', () =>
  withFolder(async (folder) => {
    const random = seededRandom();
    const made = await makeChain(folder, {
      random,
      formats: ['qcow2', 'qcow2', 'qcow2'],
      sizesBytes: [4 * mib, 2 * mib + 512, 5 * mib],
      steps: 30,
    });
    const [child = '', parent = ''] = made.files;
    const other = path.join(folder, 'other.qcow2');
    await copyFile(child, other);
    await merge(other, { into: 'child' });
    await assertChain(other, made, 0, 'the child that took the parent in');
    await merge(child, { into: 'ancestor' });
    await assertChain(parent, made, 0, 'the parent that took the child in');
    await assertChain(child, made, 0, 'the child as before');
  }));

test('a qcow2 layer goes into a raw parent, and that one into the layer', () =>
  withFolder(async (folder) => {
    const random = seededRandom();
    const shape: ChainShape = { random, formats: ['raw', 'qcow2'], sizesBytes: [3 * mib], steps: 30 };
    const made = await makeChain(folder, shape);
    const [child = '', parent = ''] = made.files;
    const copy = path.join(folder, 'copy.qcow2');
    await copyFile(child, copy);
    await merge(copy, { into: 'child' });
    await merge(child, { into: 'ancestor' });
    const raw = await openChain(parent, { format: 'raw' });
    await made.models[0]?.assertSame(raw.top);
    await raw.close();
    await rm(parent);
    await assertChain(copy, made, 0, 'the layer alone');
  }));

test('the plan says how many bytes each direction moves', () =>
  withFolder(async (folder) => {
    const made = await makeChain(folder, {
      random: seededRandom(),
      formats: ['qcow2', 'qcow2'],
      sizesBytes: [8 * mib],
      steps: 0,
    });
    const [child = '', parent = ''] = made.files;
    const write = async (file: string, offset: number, bytes: number): Promise<void> => {
      const chain = await openChain(file, { access: (depth) => (depth === 0 ? 'write' : 'read') });
      await chain.top.write(Buffer.alloc(bytes, 1), offset);
      await chain.close();
    };
    await write(parent, 0, 3 * mib);
    await write(child, 2 * mib, 3 * mib);
    const chain = await openChain(child);
    assert.deepEqual(await bytesToMerge(chain, 1), { ancestor: 3 * mib, child: 2 * mib });
    await chain.close();
    assert.equal((await merge(child, { into: 'child' })).movedBytes, 2 * mib);
  }));

test('a disk that is no ancestor is refused, and a cancelled merge leaves the chain as it was', () =>
  withFolder(async (folder) => {
    const random = seededRandom();
    const made = await makeChain(folder, { random, formats: ['qcow2', 'qcow2'], sizesBytes: [8 * mib], steps: 40 });
    const [child = '', parent = ''] = made.files;
    await assert.rejects(merge(child, { into: 'ancestor', ancestor: child }), { code: 'InvalidArgument' });
    await assert.rejects(merge(parent, { into: 'ancestor' }), { code: 'InvalidArgument' });
    const { size } = await stat(parent);
    for (const into of ['ancestor', 'child'] as const) {
      const controller = new AbortController();
      const cancelled = merge(child, {
        into,
        signal: controller.signal,
        onProgress: () => controller.abort(),
      });
      await assert.rejects(cancelled, { name: 'AbortError' });
      await assertChain(child, made, 0, 'after the cancelled merge');
    }
    assert.ok((await stat(parent)).size >= size);
    await merge(child, { into: 'ancestor' });
    await assertChain(parent, made, 0, 'the merge done after all');
  }));
