import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { OpenChain } from '../../../engine/disks/chain-of-layers.ts';
import type { Layer } from '../../../engine/disks/disk.ts';
import { driverOf } from '../../../engine/disks/drivers.ts';
import { create } from '../../../engine/disks/operations/create.ts';
import { openChain } from '../../../engine/disks/open-chain.ts';
import { verifyParent } from '../../../engine/disks/parent-check.ts';
import type { DiskFormat } from '../../../engine/model/machine.ts';
import { DiskModel, randomProgram, runProgram, type Step } from './disk-model.ts';
import { runProgram as runSystemProgram } from '../project.ts';
import type { MemoryFile } from './memory-file.ts';

/** A chain of files for a test, with what each of its points holds. */
export interface MadeChain {
  /** From the top down. */
  files: string[];
  /** What the disk holds, seen through each of the files. */
  models: DiskModel[];
}

export interface ChainShape {
  random: () => number;
  /** The layers' formats from the base up. */
  formats: readonly DiskFormat[];
  /** Their sizes from the base up; the last one counts for all that follow. */
  sizesBytes: readonly number[];
  /** Random steps on each layer. */
  steps: number;
  /** Block or cluster size of each layer but raw ones. */
  blockBytes?: number;
  boundaries?: readonly number[];
}

/** Kinds of steps on a layer that is closed in the end anyway. */
const kinds: readonly Step['kind'][] = ['write', 'write', 'write', 'write', 'zero', 'discard'];

/** Makes `layer0.<format>` (the base), `layer1.<format>`, … in a folder, each written at random before the next is made. */
export async function makeChain(folder: string, shape: ChainShape): Promise<MadeChain> {
  const { random, formats, steps, blockBytes, boundaries = [] } = shape;
  const made: MadeChain = { files: [], models: [] };
  for (const [depth, format] of formats.entries()) {
    const file = path.join(await realpath(folder), `layer${depth}.${format}`);
    const sizeBytes = shape.sizesBytes[Math.min(depth, shape.sizesBytes.length - 1)] ?? 0;
    const below = made.files[0];
    const belowFormat = formats[depth - 1];
    const cutBytes = made.models[0]?.sizeBytes ?? sizeBytes;
    if (below !== undefined && sizeBytes < cutBytes) {
      // Nobody makes a layer shorter than what its parent shows, but qemu-img does.
      const backing = ['-F', belowFormat ?? 'raw', '-b', path.basename(below)];
      await runSystemProgram('qemu-img', ['create', '-q', '-f', 'qcow2', ...backing, file, String(sizeBytes)]);
    } else {
      await create(file, {
        format,
        ...(format === 'raw' || blockBytes === undefined ? {} : { blockBytes }),
        ...(below === undefined
          ? { virtualSizeBytes: sizeBytes }
          : { parent: { file: below, ...(belowFormat === 'raw' ? { format: 'raw' as const } : {}) } }),
      });
    }
    const model = (made.models[0] ?? new DiskModel(sizeBytes)).copy(sizeBytes);
    // What a shorter layer hides stays hidden when a longer one follows.
    model.zero(sizeBytes, Math.max(cutBytes - sizeBytes, 0));
    const open = (): Promise<OpenChain> => openTop(file, format);
    const first = await open();
    if (first.top.virtualSizeBytes !== sizeBytes) {
      await first.top.resize(sizeBytes, {});
    }
    await first.close();
    let chain: OpenChain | undefined;
    await runProgram(randomProgram({ random, sizeBytes, steps, boundaries, kinds }), {
      open: async () => {
        chain = await open();
        return chain.top;
      },
      model,
    });
    await Promise.all((chain?.layers.slice(1) ?? []).map((layer) => layer.close()));
    made.files.unshift(file);
    made.models.unshift(model);
  }
  return made;
}

function openTop(file: string, format: DiskFormat): Promise<OpenChain> {
  return openChain(file, {
    access: (depth) => (depth === 0 ? 'write' : 'read'),
    ...(format === 'raw' ? { format } : {}),
  });
}

/** Opens files in memory as a chain: verified and connected like any other, but without the looking for parents. */
export async function openMemoryChain(
  files: readonly MemoryFile[],
  formats: readonly DiskFormat[],
): Promise<OpenChain> {
  const layers: Layer[] = [];
  for (const [depth, file] of files.entries()) {
    const layer = await driverOf(formats[depth] ?? 'raw').open({ file });
    const child = layers.at(-1);
    if (child?.parentReference !== undefined) {
      verifyParent(child, layer);
      child.attachParent(layer);
      layers.push(layer);
    } else if (child === undefined) {
      layers.push(layer);
    } else {
      await layer.close();
      break;
    }
  }
  const base = layers.at(-1);
  if (base === undefined) {
    throw new Error('A chain has at least one layer');
  }
  return new OpenChain(base, layers);
}
