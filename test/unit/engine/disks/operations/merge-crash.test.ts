import assert from 'node:assert/strict';
import { test } from 'node:test';
import { driverOf } from '../../../../../engine/disks/drivers.ts';
import type { CreateLayer } from '../../../../../engine/disks/disk.ts';
import { mergeIntoAncestor, mergeIntoChild } from '../../../../../engine/disks/operations/merge.ts';
import type { DiskFormat } from '../../../../../engine/model/machine.ts';
import { openMemoryChain } from '../../../../support/disks/chains.ts';
import { DiskModel, randomProgram, taggedContent } from '../../../../support/disks/disk-model.ts';
import { MemoryFile } from '../../../../support/disks/memory-file.ts';
import { crashPoints, Recording } from '../../../../support/disks/recorded-file.ts';
import { seededRandom } from '../../../../support/seeded-random.ts';

const mib = 1024 * 1024;
const points = Number(process.env['CKPT_CRASH_POINTS'] ?? 40);

interface MemoryChain {
  /** From the top down. */
  files: MemoryFile[];
  formats: DiskFormat[];
  model: DiskModel;
}

async function makeChain(format: DiskFormat, layers: number, random: () => number): Promise<MemoryChain> {
  const sizeBytes = 4 * mib;
  const made: MemoryChain = { files: [], formats: [], model: new DiskModel(sizeBytes) };
  for (let depth = 0; depth < layers; depth++) {
    const file = new MemoryFile(`/memory/layer${depth}.${format}`);
    const blockBytes = { blockBytes: format === 'qcow2' ? 4096 : format === 'vhd' ? 512 * 1024 : mib };
    const below = made.files[0] === undefined ? undefined : await openMemoryChain(made.files, made.formats);
    const created: CreateLayer =
      below === undefined
        ? { file, virtualSizeBytes: sizeBytes, ...blockBytes }
        : { file, parent: { layer: below.top, relativePath: `layer${depth - 1}.${format}` }, ...blockBytes };
    await driverOf(format).create(created);
    await below?.close();
    made.files.unshift(file);
    made.formats.unshift(format);
    const chain = await openMemoryChain(made.files, made.formats);
    const kinds = ['write', 'write', 'write', 'zero'] as const;
    for (const step of randomProgram({ random, sizeBytes, steps: 10, boundaries: [mib, 2 * mib], kinds })) {
      if (step.kind === 'write') {
        await chain.top.write(taggedContent(step.offset, step.length, step.tag + 100 * depth), step.offset);
        made.model.write(taggedContent(step.offset, step.length, step.tag + 100 * depth), step.offset);
      } else if (step.kind === 'zero') {
        await chain.top.zero(step.offset, step.length);
        made.model.zero(step.offset, step.length);
      }
    }
    await chain.close();
  }
  return made;
}

for (const format of ['qcow2', 'vhd', 'vhdx'] as const) {
  for (const into of ['ancestor', 'child'] as const) {
    for (const { layers, depth } of [
      { layers: 2, depth: 1 },
      { layers: 4, depth: 2 },
    ]) {
      const name = `${format}, ${layers} layers, ${depth} merged into ${into}`;
      test(`a crash at any instant of a merge changes nothing for the child: ${name}`, async () => {
        const random = seededRandom();
        const made = await makeChain(format, layers, random);
        const recording = new Recording();
        const files = made.files.map((file) => recording.file(file.path, file));
        const chain = await openMemoryChain(files, made.formats);
        await (into === 'ancestor' ? mergeIntoAncestor(chain, depth, {}) : mergeIntoChild(chain, depth, {}));
        await chain.close();

        let looked = 0;
        for (const point of crashPoints(recording, { random, reorderings: 2, points })) {
          const crashed = files.map((file) => point.file(file.path));
          const found = await openAfterCrash(crashed, made, into === 'child' ? depth : 0, point.description);
          await made.model.assertSame(found.top, point.description);
          await found.close();
          looked++;
        }
        assert.ok(looked > 10, `${looked} points`);
        await finishes(recording, made, files, { into, depth, random });
      });
    }
  }
}

/** The child may have the old parent still, or hang from the merged layers' parent already. */
async function openAfterCrash(
  files: MemoryFile[],
  made: MemoryChain,
  skippable: number,
  description: string,
): Promise<Awaited<ReturnType<typeof openMemoryChain>>> {
  const others = [files, ...(skippable === 0 ? [] : [[...files.slice(0, 1), ...files.slice(1 + skippable)]])];
  let problem: unknown;
  for (const candidate of others) {
    try {
      return await openMemoryChain(candidate, made.formats);
    } catch (error) {
      problem = error;
    }
  }
  throw new Error(description, { cause: problem });
}

/** Run again after the crash, the merge comes to its end. */
async function finishes(
  recording: Recording,
  made: MemoryChain,
  files: MemoryFile[],
  { into, depth, random }: { into: 'ancestor' | 'child'; depth: number; random: () => number },
): Promise<void> {
  for (const point of crashPoints(recording, { random, reorderings: 1, points: 4 })) {
    const crashed = files.map((file) => point.file(file.path));
    const chain = await openAfterCrash(crashed, made, into === 'child' ? depth : 0, point.description);
    const isDone = chain.layers.length < made.files.length;
    if (!isDone) {
      await (into === 'ancestor' ? mergeIntoAncestor(chain, depth, {}) : mergeIntoChild(chain, depth, {}));
    }
    await chain.close();
    const left = into === 'ancestor' ? crashed.slice(depth) : [...crashed.slice(0, 1), ...crashed.slice(1 + depth)];
    const merged = await openMemoryChain(left, made.formats);
    await made.model.assertSame(merged.top, `merged again, ${point.description}`);
    await merged.close();
  }
}
