import path from 'node:path';
import type { LongCall } from '../disks/disk.ts';
import { startNbdServer, type NbdServer } from '../disks/nbd/server.ts';
import { openChain, type OpenImage } from '../disks/open-chain.ts';
import { check } from '../disks/operations/check.ts';
import { compact } from '../disks/operations/compact.ts';
import { compare } from '../disks/operations/compare.ts';
import { convert } from '../disks/operations/convert.ts';
import { create } from '../disks/operations/create.ts';
import { chainInfo, info } from '../disks/operations/info.ts';
import { mapDisk } from '../disks/operations/map.ts';
import { merge } from '../disks/operations/merge.ts';
import { rebase } from '../disks/operations/rebase.ts';
import { resize } from '../disks/operations/resize.ts';
import type { OpenChain } from '../disks/chain-of-layers.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { defaultDiskListLimit, type DiskOperations, type OnDisk, type OnDiskToRead } from '../protocol/disks.ts';
import {
  decideDiskCompact,
  decideDiskConvert,
  decideDiskCreate,
  decideDiskMerge,
  decideDiskRebase,
  decideDiskResize,
  opening,
  reporting,
  type DiskDecision,
} from './disk-decisions.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { requireSpaceFor } from './space-check.ts';

type DiskCalls = {
  [K in keyof DiskOperations]: (
    params: DiskOperations[K]['params'],
    call: Call,
  ) => Promise<DiskOperations[K]['result']>;
};

/** The operations on disk images, once for all faces. They need no hypervisor and no machine. */
export class DiskService implements DiskCalls {
  readonly #context: Pick<EngineContext, 'home'>;
  readonly #served = new Map<string, { server: NbdServer; chain: OpenChain }>();

  constructor(context: Pick<EngineContext, 'home'>) {
    this.#context = context;
  }

  async diskInfo(params: OnDisk, call: Call = {}): Promise<DiskOperations['diskInfo']['result']> {
    return info(params.file, opening(params, call));
  }

  async diskCreate(
    params: DiskOperations['diskCreate']['params'],
    call: Call,
  ): Promise<DiskOperations['diskCreate']['result']> {
    const { file, to, allowParents } = params;
    const decided = await decideDiskCreate(params);
    await this.#requireSpace(decided);
    await create(file, decided.image);
    return this.diskInfo({ file, from: to, ...(allowParents === undefined ? {} : { allowParents }) }, call);
  }

  async diskChain(params: OnDisk, call: Call): Promise<DiskOperations['diskChain']['result']> {
    return { layers: await chainInfo(params.file, opening(params, call)) };
  }

  async diskMap(params: DiskOperations['diskMap']['params'], call: Call): Promise<DiskOperations['diskMap']['result']> {
    const { offset = 0, limit = defaultDiskListLimit } = params;
    const info = await this.diskInfo(params, call);
    const meant = info.snapshots?.find(({ id, name }) => id === params.snapshot || name === params.snapshot);
    const { virtualSizeBytes } = meant ?? info;
    const extents: DiskOperations['diskMap']['result']['extents'] = [];
    for await (const extent of mapDisk(params.file, { ...opening(params, call), offset })) {
      if (extents.length === limit) {
        return { virtualSizeBytes, extents, nextOffset: extent.offset };
      }
      extents.push(extent);
    }
    return { virtualSizeBytes, extents };
  }

  async diskCheck(
    params: DiskOperations['diskCheck']['params'],
    call: Call,
  ): Promise<DiskOperations['diskCheck']['result']> {
    const faults = await check(params.file, { ...working(params, call, 'Checking'), repair: params.repair ?? false });
    return { faults, isSound: faults.every((fault) => fault.isRepaired || fault.severity === 'leak') };
  }

  async diskMerge(
    params: DiskOperations['diskMerge']['params'],
    call: Call,
  ): Promise<DiskOperations['diskMerge']['result']> {
    const decided = await decideDiskMerge(params, call);
    await this.#requireSpace(decided);
    return merge(params.file, { ...decided.options, ...reporting(call, 'Merging') });
  }

  async diskConvert(
    params: DiskOperations['diskConvert']['params'],
    call: Call,
  ): Promise<DiskOperations['diskConvert']['result']> {
    const decided = await decideDiskConvert(params, call);
    await this.#requireSpace(decided);
    return convert(params.file, params.target, { ...decided.options, ...reporting(call, 'Converting') });
  }

  async diskCompact(params: OnDisk, call: Call): Promise<DiskOperations['diskCompact']['result']> {
    await decideDiskCompact(params, call);
    return compact(params.file, working(params, call, 'Compacting'));
  }

  async diskResize(
    params: DiskOperations['diskResize']['params'],
    call: Call,
  ): Promise<DiskOperations['diskResize']['result']> {
    await this.#requireSpace(await decideDiskResize(params, call));
    await resize(params.file, params.sizeBytes, working(params, call, 'Resizing'));
    return this.diskInfo(params, call);
  }

  async diskCompare(
    params: DiskOperations['diskCompare']['params'],
    call: Call,
  ): Promise<DiskOperations['diskCompare']['result']> {
    const { file, other, from, to, limit = defaultDiskListLimit } = params;
    const { format: _, ...options } = working(params, call, 'Comparing');
    const ranges: { offset: number; length: number }[] = [];
    const result = await compare(file, other, {
      ...options,
      ...(from === undefined ? {} : { formatOfA: from }),
      ...(to === undefined ? {} : { formatOfB: to }),
      onDifference: (range) => {
        if (ranges.length < limit) {
          ranges.push(range);
        }
      },
    });
    return { ...result, ranges };
  }

  async diskRebase(
    params: DiskOperations['diskRebase']['params'],
    call: Call,
  ): Promise<DiskOperations['diskRebase']['result']> {
    const { file, allowParents } = params;
    const { options } = await decideDiskRebase(params, call);
    await rebase(file, options);
    return this.diskInfo({ file, ...(allowParents === undefined ? {} : { allowParents }) }, call);
  }

  async diskServe(
    params: DiskOperations['diskServe']['params'],
    call: Call,
  ): Promise<DiskOperations['diskServe']['result']> {
    const isReadOnly = params.readOnly === true || params.snapshot !== undefined;
    const socket = path.resolve(params.socket);
    const chain = await openChain(params.file, {
      ...opening(params, call),
      access: (depth) => (depth === 0 && !isReadOnly ? 'write' : 'read'),
    });
    try {
      const server = await startNbdServer({
        chain: [chain.top, ...chain.layers.slice(1)],
        isReadOnly,
        socketPath: socket,
        description: params.file,
      });
      this.#served.set(socket, { server, chain });
      return { uri: server.uri, socket, isReadOnly: isReadOnly || chain.top.isReadOnly };
    } catch (error) {
      await chain.close();
      throw error;
    }
  }

  async diskStopServing(params: { socket: string }): Promise<{ socket: string }> {
    const socket = path.resolve(params.socket);
    const served = this.#served.get(socket);
    if (served === undefined) {
      throw new CheckpointError('InvalidArgument', `This engine serves no disk at ${socket}.`, { path: socket });
    }
    this.#served.delete(socket);
    try {
      await served.server.stop();
    } finally {
      await served.chain.close();
    }
    return { socket };
  }

  #requireSpace({ what, needs }: DiskDecision): Promise<void> {
    return requireSpaceFor(this.#context, what, needs);
  }
}

function working(params: Omit<OnDiskToRead, 'file'>, call: Call, doing: string): OpenImage & LongCall {
  return { ...opening(params, call), ...reporting(call, doing) };
}
