import path from 'node:path';
import { requireFrozen } from '../../store/frozen-layers.ts';
import { ChainReader, type ChainLayer } from '../../store/layer-chain.ts';
import { LayerFiles } from '../../store/layer-files.ts';
import type { RunnableMachine } from '../host.ts';
import type { ChainNode, DiskChain } from './command-line.ts';

/** All chains of a machine, verified. */
export async function resolveChains({ folder, definition, layers }: RunnableMachine): Promise<DiskChain[]> {
  const files = new LayerFiles(folder, definition, layers);
  const reader = new ChainReader(files);
  const { activeLayers } = (await folder.read()).now;
  return Promise.all(
    files.disks.map(async (disk) => {
      const chain = await reader.chainOf(disk, files.layerOf(layers, disk));
      await requireFrozen(
        folder,
        chain.filter(({ layer }) => layer !== activeLayers[disk.id]),
      );
      return { diskId: disk.id, nodes: nodesOf(disk.id, chain) };
    }),
  );
}

/** The chain of one disk as its headers say, whether its frozen layers are as they were left or not. */
export async function readChain({ folder, definition, layers }: RunnableMachine, disk: string): Promise<ChainNode[]> {
  const files = new LayerFiles(folder, definition, layers);
  const found = files.disk(disk);
  return nodesOf(disk, await new ChainReader(files).chainOf(found, files.layerOf(layers, found)));
}

function nodesOf(disk: string, chain: readonly ChainLayer[]): ChainNode[] {
  return chain.map(({ file, format, layer }, depth) => ({
    nodeName: layer === undefined ? `${disk}-external${depth}` : nodeName(layer),
    file,
    format,
  }));
}

/** The same layer has the same node name in every process. QEMU allows 31 characters. */
export function nodeName(layer: string): string {
  return path.posix.parse(layer).name;
}
