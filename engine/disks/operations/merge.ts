import path from 'node:path';
import { realpath, stat } from 'node:fs/promises';
import { flatCopyBytes } from '../../model/space-estimates.ts';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { OpenChain } from '../chain-of-layers.ts';
import type { Layer, LongCall } from '../disk.ts';
import { openChain, type OpenImage } from '../open-chain.ts';
import { Rehearsal } from '../rehearsal.ts';
import { relativePath } from '../relative-path.ts';
import { zeroBuffer } from '../zero-content.ts';
import { transfer, type TransferRange } from '../transfer.ts';

/**
 * Which file takes the data in. `ancestor`: the child's data, and that of the layers between, go into the ancestor.
 * `child`: the ancestor's data, and that of the layers between, go into the child, which then hangs from the ancestor's
 * parent, or stands alone.
 */
export type MergeDirection = 'ancestor' | 'child';

export interface MergeResult {
  /** The file that now holds everything. */
  into: string;
  /** Files that the merged chain needs no more, from the top down. None was deleted. */
  obsolete: string[];
  movedBytes: number;
}

export interface MergeOptions extends OpenImage, LongCall {
  /** The child's parent by default. */
  ancestor?: string;
  into: MergeDirection;
}

/**
 * Merges layers of a chain of files. Interrupted at any instant, the chain through the child reads as before, and the
 * same call finishes the work. No other layer than those merged may hang from the ancestor (`ancestor`), or from the
 * layers in between; the caller sees to that.
 * @throws InvalidArgument when the ancestor is none; what {@link openChain} throws
 */
export async function merge(child: string, options: MergeOptions): Promise<MergeResult> {
  const depth = await depthOf(child, options);
  const chain = await openChain(child, { ...options, access: (at) => accessFor(options.into, depth, at) });
  try {
    return await (options.into === 'ancestor'
      ? mergeIntoAncestor(chain, depth, options)
      : mergeIntoChild(chain, depth, options));
  } finally {
    await chain.close();
  }
}

/** What a merge is going to do. */
export interface MergeDecision extends MergeResult {
  /** The other end. */
  from: string;
  /** By how much {@link MergeResult.into} grows at most. */
  growsBytes: number;
}

/**
 * Decides a merge, and changes nothing.
 * @throws as {@link merge}
 */
export async function decideMerge(child: string, options: MergeOptions): Promise<MergeDecision> {
  const depth = await depthOf(child, options);
  const rehearsal = new Rehearsal();
  const chain = await openChain(child, {
    ...options,
    access: (at) => (accessFor(options.into, depth, at) === 'write' ? rehearsal : 'read'),
  });
  try {
    const { ancestor, above, between } = merged(chain, depth);
    const [into, from] = options.into === 'ancestor' ? [ancestor, chain.top] : [chain.top, ancestor];
    const movedBytes = (await bytesToMerge(chain, depth, options))[options.into];
    const { virtualSizeBytes } = chain.top;
    const fullBytes = flatCopyBytes({ format: into.format, virtualSizeBytes, dataBytes: virtualSizeBytes });
    const storedBytes = (await stat(into.file.path)).blocks * 512;
    return {
      into: into.file.path,
      from: from.file.path,
      obsolete: (options.into === 'ancestor' ? above : between).map((layer) => layer.file.path),
      movedBytes,
      growsBytes: Math.max(0, Math.min(movedBytes + tablesOf(movedBytes), fullBytes - storedBytes)),
    };
  } finally {
    await chain.close();
  }
}

/**
 * Bytes that a merge would move in each direction; the smaller one is the better way.
 * @param depth the ancestor's place from the top
 */
export async function bytesToMerge(
  chain: OpenChain,
  depth: number,
  call: LongCall = {},
): Promise<Record<MergeDirection, number>> {
  const bytes = { ancestor: 0, child: 0 };
  const map = chain.map({ depth: depth + 1, signal: call.signal });
  for await (const extent of map.extents(0, chain.top.virtualSizeBytes)) {
    if (extent.state === 'data' && extent.depth !== undefined) {
      bytes.ancestor += extent.depth < depth ? extent.length : 0;
      bytes.child += extent.depth > 0 ? extent.length : 0;
    }
  }
  return bytes;
}

/**
 * As {@link bytesToMerge}, for the uppermost layers and those next below, each of which are thought of as one.
 * @param upper how many layers from the top count as the child
 * @param lower how many below them as the ancestor
 */
export async function bytesToMergeRuns(
  chain: OpenChain,
  upper: number,
  lower: number,
  call: LongCall = {},
): Promise<Record<MergeDirection, number>> {
  const bytes = { ancestor: 0, child: 0 };
  const map = chain.map({ depth: upper + lower, signal: call.signal });
  for await (const extent of map.extents(0, chain.top.virtualSizeBytes)) {
    if (extent.state === 'data' && extent.depth !== undefined) {
      bytes[extent.depth < upper ? 'ancestor' : 'child'] += extent.length;
    }
  }
  return bytes;
}

/** The child's data goes down. The layers at `depth` and right above it are open for writing, and the top if the ancestor is shorter than its own parent. */
export async function mergeIntoAncestor(chain: OpenChain, depth: number, call: LongCall): Promise<MergeResult> {
  const { ancestor, above } = merged(chain, depth);
  const lastAbove = above.at(-1) ?? chain.top;
  // First of all: from the first write on, the ancestor is another disk to who looks at its identity.
  await lastAbove.expectParentChange(ancestor);
  await lastAbove.flush();
  await growAncestor(chain, depth, call);
  ancestor.file.keepOutOfCache?.();
  const map = chain.map({ depth, signal: call.signal });
  let movedBytes = 0;
  async function* ranges(): AsyncGenerator<TransferRange> {
    for await (const { offset, length, state } of map.extents(0, chain.top.virtualSizeBytes)) {
      movedBytes += state === 'data' ? length : 0;
      yield { offset, length, kind: state === 'parent' ? 'skip' : state };
    }
  }
  await transfer(
    ranges(),
    {
      read: (buffer, offset) => chain.top.read(buffer, offset),
      write: (buffer, offset) => ancestor.write(buffer, offset),
      zero: (offset, length) => ancestor.zero(offset, length),
      sync: () => ancestor.file.sync(),
    },
    { ...call, totalBytes: chain.top.virtualSizeBytes },
  );
  await ancestor.flush();
  return { into: ancestor.file.path, obsolete: above.map((layer) => layer.file.path), movedBytes };
}

/** The parents' data comes up, down to the layer at `depth`. The top is open for writing. */
export async function mergeIntoChild(chain: OpenChain, depth: number, call: LongCall): Promise<MergeResult> {
  const { top } = chain;
  const { between } = merged(chain, depth);
  const below = chain.layers[depth + 1];
  top.file.keepOutOfCache?.();
  const map = chain.map({ depth: depth + 1, signal: call.signal });
  let movedBytes = 0;
  async function* ranges(): AsyncGenerator<TransferRange> {
    for await (const extent of map.extents(0, top.virtualSizeBytes)) {
      const { offset, length, state, depth: from = 0 } = extent;
      // What lies beyond the parent's end counts as the child's own zeros, and has to become that.
      const isFromBelow = from > 0 || extent.isBeyondParent === true;
      // Without a parent, what is not there is zero.
      const isNeeded = isFromBelow && (state === 'data' || (below !== undefined && offset < below.virtualSizeBytes));
      movedBytes += isNeeded && state === 'data' ? length : 0;
      yield { offset, length, kind: !isNeeded || state === 'parent' ? 'skip' : state };
    }
  }
  await transfer(
    ranges(),
    {
      read: (buffer, offset) => top.read(buffer, offset),
      write: (buffer, offset) => top.write(buffer, offset),
      zero: (offset, length) => zeroForGood(top, offset, length),
      sync: () => top.file.sync(),
    },
    { ...call, totalBytes: top.virtualSizeBytes },
  );
  await top.flush();
  await top.setParent(
    below === undefined
      ? undefined
      : { layer: below, relativePath: await relativePath(top.file.path, below.file.path) },
  );
  await top.flush();
  return {
    into: top.file.path,
    obsolete: between.map((layer) => layer.file.path),
    movedBytes,
  };
}

/** What a format says of where so much content lies, in tables of 64 KiB at most. */
function tablesOf(bytes: number): number {
  return Math.ceil(bytes / 2 ** 12) + 2 ** 16;
}

function accessFor(into: MergeDirection, depth: number, at: number): 'read' | 'write' {
  const isWritten = into === 'child' ? at === 0 : at === 0 || at === depth || at === depth - 1;
  return isWritten ? 'write' : 'read';
}

function merged(chain: OpenChain, depth: number): { ancestor: Layer; above: Layer[]; between: Layer[] } {
  const ancestor = chain.layers[depth];
  if (ancestor === undefined || depth < 1) {
    throw new CheckpointError('InvalidArgument', `The disk ${chain.top.file.path} has no parent to merge with.`, {
      path: chain.top.file.path,
    });
  }
  return { ancestor, above: chain.layers.slice(0, depth), between: chain.layers.slice(1, depth + 1) };
}

/** Zeros that stay when what lies below changes: a layer may leave out those that its present parent does not hide. */
async function zeroForGood(layer: Layer, offset: number, length: number): Promise<void> {
  await layer.zero(offset, length);
  for await (const extent of layer.extents(offset, length)) {
    const end = extent.offset + extent.length;
    for (let at = extent.offset; extent.state === 'parent' && at < end; at += zeroBuffer.length) {
      await layer.write(zeroBuffer.subarray(0, Math.min(zeroBuffer.length, end - at)), at);
    }
  }
}

/** The ancestor becomes as long as what the guest sees. */
async function growAncestor(chain: OpenChain, depth: number, call: LongCall): Promise<void> {
  const { ancestor } = merged(chain, depth);
  const { top } = chain;
  const below = chain.layers[depth + 1];
  if (ancestor.virtualSizeBytes >= top.virtualSizeBytes) {
    return;
  }
  if (below !== undefined && below.virtualSizeBytes > ancestor.virtualSizeBytes) {
    // A longer ancestor would uncover what lies below it. So the child says first that there is nothing.
    const from = ancestor.virtualSizeBytes;
    const uncovered = Math.min(below.virtualSizeBytes, top.virtualSizeBytes);
    const map = chain.map({ depth, signal: call.signal });
    for await (const { offset, length, state } of map.extents(from, uncovered - from)) {
      if (state === 'parent') {
        await zeroForGood(top, offset, length);
      }
    }
    await top.flush();
  }
  await ancestor.resize(top.virtualSizeBytes, call);
}

async function depthOf(child: string, options: MergeOptions): Promise<number> {
  if (options.ancestor === undefined) {
    return 1;
  }
  const wanted = await realpath(options.ancestor).catch(() => path.resolve(options.ancestor ?? ''));
  const chain = await openChain(child, options);
  try {
    const depth = chain.layers.findIndex((layer, at) => at > 0 && layer.file.path === wanted);
    if (depth < 1) {
      throw new CheckpointError(
        'InvalidArgument',
        `The disk ${wanted} is no ancestor of ${child}. Its chain: ${chain.layers.map((layer) => layer.file.path).join(', ')}.`,
        { path: child, found: wanted },
      );
    }
    return depth;
  } finally {
    await chain.close();
  }
}
