import path from 'node:path';
import type { LongCall } from '../disks/disk.ts';
import type { OpenImage } from '../disks/open-chain.ts';
import { check } from '../disks/operations/check.ts';
import { decideCompact } from '../disks/operations/compact.ts';
import { decideConvert, type ConvertOptions } from '../disks/operations/convert.ts';
import { rehearseCreate, type CreateImage } from '../disks/operations/create.ts';
import { info } from '../disks/operations/info.ts';
import { decideMerge, type MergeOptions } from '../disks/operations/merge.ts';
import { rebase, type RebaseOptions } from '../disks/operations/rebase.ts';
import { resize } from '../disks/operations/resize.ts';
import { Rehearsal } from '../disks/rehearsal.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { DiskFault, DiskOperations, OnDisk, OnDiskToRead } from '../protocol/disks.ts';
import type { PlanStep } from '../protocol/plans.ts';
import type { FreedBytes } from '../protocol/space.ts';
import { convertedBytes } from './copy-space.ts';
import type { Call } from './engine-context.ts';
import type { SpaceNeed } from './space-check.ts';

/** What an operation on disk images is going to do: it is carried out as it says, and shown as it says. */
export interface DiskDecision {
  /** Begins the sentence of a refusal. */
  what: string;
  steps: PlanStep[];
  needs: SpaceNeed[];
  /** Content that is read and written again. */
  movedBytes?: number;
  freed?: FreedBytes;
}

type Given<K extends keyof DiskOperations> = DiskOperations[K]['params'];

/** @throws InvalidArgument unless it has either a size or a parent; what making it throws */
export async function decideDiskCreate(params: Given<'diskCreate'>): Promise<DiskDecision & { image: CreateImage }> {
  const image = imageOf(params);
  const file = path.resolve(params.file);
  const rehearsal = new Rehearsal();
  await rehearseCreate(file, image, rehearsal);
  const on = image.parent === undefined ? {} : { on: path.resolve(image.parent.file) };
  return {
    image,
    what: `Making ${params.file}`,
    steps: [{ kind: 'create', what: 'image', path: file, ...on }],
    needs: [needAt(file, rehearsal.newBytes)],
  };
}

export async function decideDiskMerge(
  params: Given<'diskMerge'>,
  call: Call,
): Promise<DiskDecision & { options: MergeOptions }> {
  const direction = params.reverse === true ? 'child' : 'ancestor';
  const ancestor = params.into === undefined ? {} : { ancestor: params.into };
  const options = { ...opening(params, call), ...ancestor, into: direction } satisfies MergeOptions;
  const { into, from, movedBytes: bytes, growsBytes } = await decideMerge(params.file, options);
  return {
    options,
    what: `Merging ${params.file}`,
    steps: [{ kind: 'merge', disk: path.basename(params.file), from, into, direction, bytes }],
    needs: [needAt(into, growsBytes)],
  };
}

export async function decideDiskConvert(
  params: Given<'diskConvert'>,
  call: Call,
): Promise<DiskDecision & { options: ConvertOptions }> {
  const { file, target, to, flatten, streamOptimized, fixed, blockBytes, logicalSectorBytes } = params;
  const options: ConvertOptions = {
    ...opening(params, call),
    to,
    ...(flatten === undefined ? {} : { flatten }),
    ...(streamOptimized === undefined ? {} : { isStreamOptimized: streamOptimized }),
    ...(fixed === undefined ? {} : { isFixed: fixed }),
    ...(blockBytes === undefined ? {} : { blockBytes }),
    ...(logicalSectorBytes === undefined ? {} : { logicalSectorBytes }),
  };
  const { files } = await decideConvert(file, target, options);
  // How far it compresses, only doing it tells.
  const bytes =
    streamOptimized === true ? 0 : await convertedBytes(file, opening(params, call), { to, flatten, fixed });
  return {
    options,
    what: `Converting ${file}`,
    steps: files.map((one) => ({ kind: 'create', what: 'image', path: one.file, on: one.of })),
    needs: [needAt(path.resolve(target), bytes)],
    movedBytes: bytes,
  };
}

export async function decideDiskCompact(params: OnDisk, call: Call): Promise<DiskDecision> {
  const { mostFreedBytes } = await decideCompact(params.file, opening(params, call));
  return {
    what: `Compacting ${params.file}`,
    steps: [{ kind: 'compact', path: path.resolve(params.file) }],
    needs: [],
    freed: { leastBytes: 0, mostBytes: mostFreedBytes },
  };
}

export async function decideDiskResize(params: Given<'diskResize'>, call: Call): Promise<DiskDecision> {
  const { file, sizeBytes: toBytes } = params;
  const { virtualSizeBytes: fromBytes } = await info(file, opening(params, call));
  const rehearsal = new Rehearsal();
  await resize(file, toBytes, { ...opening(params, call), rehearsal });
  const { newBytes } = rehearsal;
  return {
    what: `Resizing ${file}`,
    steps: fromBytes === toBytes ? [] : [{ kind: 'resize', path: path.resolve(file), fromBytes, toBytes }],
    needs: [needAt(path.resolve(file), newBytes)],
  };
}

export async function decideDiskRebase(
  params: Given<'diskRebase'>,
  call: Call,
): Promise<DiskDecision & { options: RebaseOptions }> {
  const { file, parent, from, acceptMismatch, allowParents } = params;
  const common = allowParents === undefined ? {} : { allowParents };
  const options: RebaseOptions = {
    ...opening(common, call),
    parent,
    ...(from === undefined ? {} : { parentFormat: from }),
    ...(acceptMismatch === undefined ? {} : { acceptMismatch }),
  };
  const before = await info(file, opening(common, call));
  await rebase(file, { ...options, rehearsal: new Rehearsal() });
  return {
    options,
    what: `Rebasing ${file}`,
    steps: [
      {
        kind: 'rebase',
        path: path.resolve(file),
        from: before.parent?.paths.join(', ') ?? '',
        to: path.resolve(parent),
      },
    ],
    needs: [],
  };
}

/** Without `repair` it only looks, and there is nothing to be done. */
export async function decideDiskCheck({ repair, ...params }: Given<'diskCheck'>, call: Call): Promise<DiskDecision> {
  const faults: DiskFault[] =
    repair === true ? await check(params.file, { ...opening(params, call), repair, rehearsal: new Rehearsal() }) : [];
  const file = path.resolve(params.file);
  const mended = faults.filter(({ isRepaired }) => isRepaired);
  return {
    what: `Checking ${params.file}`,
    steps: mended.map(({ message }) => ({ kind: 'mend', path: file, fault: message })),
    needs: [],
  };
}

/** How an image is opened, by what a caller said of it. */
export function opening({ from, allowParents, snapshot }: Omit<OnDiskToRead, 'file'>, { signal }: Call): OpenImage {
  return {
    ...(from === undefined ? {} : { format: from }),
    ...(allowParents === undefined ? {} : { allowParents }),
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(signal === undefined ? {} : { signal }),
  };
}

/** @param doing what the caller is told while it goes on */
export function reporting(call: Call, doing: string): LongCall {
  return {
    onProgress: (doneBytes, totalBytes) =>
      call.report?.(doing, totalBytes === 0 ? 1 : doneBytes / totalBytes, { doneBytes, totalBytes }),
  };
}

function imageOf(params: Given<'diskCreate'>): CreateImage {
  const { to, sizeBytes, parent, from, fixed, blockBytes, logicalSectorBytes, allowParents } = params;
  if ((sizeBytes === undefined) === (parent === undefined)) {
    throw new CheckpointError('InvalidArgument', 'A new disk has either a size or a parent. Give one of the two.', {});
  }
  return {
    format: to,
    ...(sizeBytes === undefined ? {} : { virtualSizeBytes: sizeBytes }),
    ...(parent === undefined
      ? {}
      : {
          parent: {
            file: parent,
            ...(from === undefined ? {} : { format: from }),
            ...(allowParents === undefined ? {} : { allowParents }),
          },
        }),
    ...(fixed === undefined ? {} : { isFixed: fixed }),
    ...(blockBytes === undefined ? {} : { blockBytes }),
    ...(logicalSectorBytes === undefined ? {} : { logicalSectorBytes }),
  };
}

function needAt(file: string, bytes: number): SpaceNeed {
  return { folder: path.dirname(file), bytes };
}
