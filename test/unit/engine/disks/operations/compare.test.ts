import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { compare, type DifferingRange } from '../../../../../engine/disks/operations/compare.ts';
import { convert } from '../../../../../engine/disks/operations/convert.ts';
import { create } from '../../../../../engine/disks/operations/create.ts';
import { mapDisk } from '../../../../../engine/disks/operations/map.ts';
import { openChain } from '../../../../../engine/disks/open-chain.ts';
import type { DiskFormat } from '../../../../../engine/model/machine.ts';
import { makeChain } from '../../../../support/disks/chains.ts';
import type { DiskModel } from '../../../../support/disks/disk-model.ts';
import { withFolder } from '../../../../support/disks/temporary-folder.ts';
import { runProgram } from '../../../../support/project.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';

const mib = 1024 * 1024;
const sectorBytes = 512;

async function write(file: string, offset: number, content: Buffer): Promise<void> {
  const chain = await openChain(file, { access: (depth) => (depth === 0 ? 'write' : 'read') });
  await chain.top.write(content, offset);
  await chain.close();
}

async function compared(a: string, b: string): Promise<{ ranges: DifferingRange[]; readBytes: number }> {
  const ranges: DifferingRange[] = [];
  const result = await compare(a, b, { onDifference: (range) => ranges.push(range) });
  assert.equal(result.isSame, ranges.length === 0);
  assert.equal(result.differingRanges, ranges.length);
  assert.equal(
    result.differingBytes,
    ranges.reduce((sum, range) => sum + range.length, 0),
  );
  return { ranges, readBytes: result.readBytes };
}

/** The slow and obvious way. */
function differences(a: DiskModel, b: DiskModel): DifferingRange[] {
  const ranges: DifferingRange[] = [];
  for (let at = 0; at < Math.max(a.sizeBytes, b.sizeBytes); at += sectorBytes) {
    if (!a.content(at, sectorBytes).equals(b.content(at, sectorBytes))) {
      const last = ranges.at(-1);
      if (last !== undefined && last.offset + last.length === at) {
        last.length += sectorBytes;
      } else {
        ranges.push({ offset: at, length: sectorBytes });
      }
    }
  }
  return ranges;
}

for (const format of ['qcow2', 'vhd', 'vhdx'] as const) {
  test(`points of a ${format} chain differ where the model says, and qemu-img agrees`, () =>
    withFolder(async (folder) => {
      const random = seededRandom();
      const formats = Array<DiskFormat>(4).fill(format);
      const made = await makeChain(folder, { random, formats, sizesBytes: [10 * mib], steps: 25 });
      for (let a = 0; a < made.files.length; a++) {
        for (let b = a; b < made.files.length; b++) {
          const [fileA = '', fileB = ''] = [made.files[a], made.files[b]];
          const [modelA, modelB] = [made.models[a], made.models[b]];
          assert.ok(modelA !== undefined && modelB !== undefined);
          const { ranges, readBytes } = await compared(fileA, fileB);
          assert.deepEqual(ranges, differences(modelA, modelB), `layers ${a} and ${b}`);
          if (a === b) {
            assert.equal(readBytes, 0);
          }
          if (format === 'qcow2') {
            const same = await runProgram('qemu-img', ['compare', '-q', fileA, fileB]).then(
              () => true,
              () => false,
            );
            assert.equal(same, ranges.length === 0);
          }
        }
      }
    }));
}

test('what both have from the same layer is not read', () =>
  withFolder(async (folder) => {
    const base = path.join(folder, 'base.qcow2');
    await create(base, { format: 'qcow2', virtualSizeBytes: 64 * mib });
    await write(base, 0, Buffer.alloc(32 * mib, 1));
    const [a, b] = [path.join(folder, 'a.qcow2'), path.join(folder, 'b.qcow2')];
    for (const file of [a, b]) {
      await create(file, { format: 'qcow2', parent: { file: base } });
    }
    assert.deepEqual(await compared(a, b), { ranges: [], readBytes: 0 });
    await write(a, mib, Buffer.alloc(mib, 1));
    await write(b, 40 * mib + 512, Buffer.alloc(512, 9));
    const { ranges, readBytes } = await compared(a, b);
    assert.deepEqual(ranges, [{ offset: 40 * mib + 512, length: 512 }]);
    // One MiB of each, and the cluster that only one of them has.
    assert.equal(readBytes, 2 * mib + 64 * 1024);
  }));

test('beyond the shorter disk zeros are the same, and data is not', () =>
  withFolder(async (folder) => {
    const [a, b] = [path.join(folder, 'a.qcow2'), path.join(folder, 'b.vhdx')];
    await create(a, { format: 'qcow2', virtualSizeBytes: 4 * mib });
    await create(b, { format: 'vhdx', virtualSizeBytes: 9 * mib });
    assert.deepEqual((await compared(a, b)).ranges, []);
    await write(b, 8 * mib, Buffer.alloc(1024, 1));
    assert.deepEqual((await compared(a, b)).ranges, [{ offset: 8 * mib, length: 1024 }]);
    assert.deepEqual((await compared(b, a)).ranges, [{ offset: 8 * mib, length: 1024 }]);
  }));

test('a raw disk is compared when it is told to be one', () =>
  withFolder(async (folder) => {
    const [a, b] = [path.join(folder, 'a.raw'), path.join(folder, 'b.qcow2')];
    await writeFile(a, Buffer.alloc(3 * mib, 5));
    await convert(a, b, { format: 'raw', to: 'qcow2' });
    assert.equal((await compare(a, b, { formatOfA: 'raw' })).isSame, true);
    await assert.rejects(compare(a, b), { code: 'NotADiskImage' });
  }));

test('empty disks of 1 TiB are compared without a look at each block', () =>
  withFolder(async (folder) => {
    const [a, b] = [path.join(folder, 'a.vhdx'), path.join(folder, 'b.qcow2')];
    await create(a, { format: 'vhdx', virtualSizeBytes: 1024 ** 4, blockBytes: 32 * mib });
    await create(b, { format: 'qcow2', virtualSizeBytes: 1024 ** 4 });
    const began = process.cpuUsage();
    assert.deepEqual(await compared(a, b), { ranges: [], readBytes: 0 });
    const { user, system } = process.cpuUsage(began);
    assert.ok(user + system < 1_000_000, `${(user + system) / 1000} ms of processor time`);
  }));

/** One extent of a map, as both we and qemu-img can say it. */
interface Mapped {
  start: number;
  length: number;
  depth: number;
  data: boolean;
  offset?: number;
}

/** qemu-img also shows the holes of the file itself; here they are part of the data that they lie in. */
function joined(extents: readonly Mapped[]): Mapped[] {
  const found: Mapped[] = [];
  for (const { start, length, depth, data, offset } of extents) {
    const last = found.at(-1);
    const isNext = last?.data === data && last.depth === depth && last.start + last.length === start;
    if (last !== undefined && isNext && (last.offset ?? 0) + (data ? last.length : 0) === (offset ?? 0)) {
      last.length += length;
    } else {
      found.push({ start, length, depth, data, ...(offset === undefined ? {} : { offset }) });
    }
  }
  return found;
}

test('the map of a qcow2 chain is the one that qemu-img shows', () =>
  withFolder(async (folder) => {
    const made = await makeChain(folder, {
      random: seededRandom(),
      formats: ['qcow2', 'qcow2', 'qcow2'],
      sizesBytes: [10 * mib],
      steps: 20,
    });
    const [top = ''] = made.files;
    const ours: Mapped[] = [];
    for await (const { isStored, offset: start, length, depth = 0, state, fileOffset } of mapDisk(top)) {
      if (isStored) {
        const data = state === 'data';
        ours.push({ start, length, depth, data, ...(fileOffset === undefined ? {} : { offset: fileOffset }) });
      }
    }
    const theirs = z
      .array(
        z.object({
          start: z.number(),
          length: z.number(),
          depth: z.number(),
          present: z.boolean(),
          data: z.boolean(),
          offset: z.number().optional(),
        }),
      )
      .parse(JSON.parse(await runProgram('qemu-img', ['map', '--output=json', top])))
      .filter((extent) => extent.present)
      .map(({ offset, ...extent }) => ({ ...extent, ...(offset === undefined ? {} : { offset }) }));
    assert.ok(ours.length > 3);
    assert.deepEqual(joined(ours), joined(theirs));
  }));
