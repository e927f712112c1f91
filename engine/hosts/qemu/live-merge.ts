import { open } from 'node:fs/promises';
import { z } from 'zod';
import { relativePath } from '../../disks/relative-path.ts';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { LiveMerge, LiveMergeRequest } from '../host.ts';
import { endBlockJob, finalizeBlockJob, findBlockJob, untilBlockJob, type BlockJobWatch } from './block-job.ts';
import { fileNode, formatNode, type ChainNode } from './command-line.ts';
import { nodeName } from './disk-chains.ts';
import { liftLimit, WritePace } from './guest-writes.ts';
import type { QmpConnection } from './qmp.ts';

const nodesAnswer = z.array(z.object({ 'node-name': z.string(), drv: z.string(), file: z.string() }));

/** What QEMU has in its caches of a disk that was synced a moment ago is little, but the disk may be slow. */
const flushLimitMs = 60_000;

type NamedFile = Pick<ChainNode, 'nodeName' | 'file'>;

/** The same for all engines, so that another one finds the job: one merge a disk at a time. */
function jobOf({ disk }: Pick<LiveMerge, 'disk'>): string {
  return `merge-${disk}`;
}

/**
 * Moves the data of one layer of a running machine's chain into its neighbour, and takes it out of the chain (QMP
 * `block-commit` downwards, `block-stream` upwards). The job waits to be finalized: until then nothing but its end is needed
 * for the chain to be as before. What goes is opened by QEMU no more once {@link isMerged} says so.
 * @throws QemuFailed, NotEnoughSpace, GuestTooBusy, QmpTimeout, and the signal's reason; {@link endMerge} is to follow
 */
export async function mergeInChain(
  monitor: QmpConnection,
  chain: readonly ChainNode[],
  request: LiveMergeRequest,
): Promise<void> {
  const id = jobOf(request);
  const place = placeOf(chain, request);
  for (const node of writtenNodes(place, request)) {
    await monitor.execute('blockdev-reopen', { options: [fileNode(node, false)] });
  }
  const common = {
    'job-id': id,
    ...(request.speed === undefined ? {} : { speed: request.speed }),
    'auto-finalize': false,
    'auto-dismiss': false,
    // A job that gave up by itself would take its filter out of the chain, perhaps while QEMU stops the guest, whose disk cannot be
    // written either: QEMU 7.2 then keeps half of the filter, and crashes, or never answers the guest's requests.
    'on-error': 'stop',
    'filter-node-name': `${id}-filter`,
  };
  if (request.direction === 'ancestor') {
    await monitor.execute('block-commit', {
      ...common,
      device: place.top.nodeName,
      'top-node': place.upper.nodeName,
      'base-node': place.lower.nodeName,
      ...(place.above === undefined ? {} : { 'backing-file': await relativePath(place.above.file, place.lower.file) }),
    });
  } else {
    await monitor.execute('block-stream', {
      ...common,
      device: place.upper.nodeName,
      ...(place.below === undefined
        ? {}
        : {
            'base-node': await nodeOf(monitor, place.below),
            'backing-file': await relativePath(place.upper.file, place.below.file),
          }),
    });
  }
  const { signal, onProgress } = request;
  const pace = request.isOfActive ? new WritePace(monitor, request.disk) : undefined;
  const watch: BlockJobWatch = {
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(pace === undefined ? {} : { keepPace: (doneBytes, totalBytes) => pace.keep(doneBytes, totalBytes) }),
  };
  const { status } = await untilBlockJob(monitor, id, ['ready', 'pending'], watch);
  if (status === 'ready') {
    await monitor.execute('job-complete', { id });
    // From its end until it is finalized the guest's writes to this disk wait.
    await untilBlockJob(monitor, id, ['pending'], watch);
    await request.whileWritesWait();
  } else {
    await flush(monitor, request.direction === 'ancestor' ? place.lower : place.upper);
  }
  await finalizeBlockJob(monitor, id);
  // Its header names another parent now.
  await flush(monitor, request.direction === 'child' ? place.upper : (place.above ?? place.lower));
}

/**
 * Ends whatever is left of a merge, whoever began it.
 * @param chain as the headers say
 * @param isDecided a job that only waits for it is to be finalized, else cancelled
 * @returns whether the chain is the merged one
 */
export async function endMerge(
  monitor: QmpConnection,
  chain: readonly ChainNode[],
  merge: LiveMerge,
  isDecided: boolean,
): Promise<boolean> {
  const id = jobOf(merge);
  const job = await findBlockJob(monitor, id);
  const at = chain.findIndex((node) => node.nodeName === nodeName(merge.to));
  const into = chain[at];
  if (job?.status === 'pending' && isDecided) {
    // While the guest's writes wait, nothing gets to the disk, and all of it is there.
    if (into !== undefined && !merge.isOfActive) {
      await flush(monitor, into);
    }
    await finalizeBlockJob(monitor, id);
  } else {
    await endBlockJob(monitor, id);
  }
  if (merge.isOfActive) {
    await liftLimit(monitor, merge.disk);
  }
  const merged = await isMerged(monitor, merge);
  if (into !== undefined) {
    await flush(monitor, into);
  }
  if (into !== undefined && !merged && at > 0) {
    await closeForWriting(monitor, into, chain[at + 1]);
  }
  return merged;
}

/** QEMU 7.2 leaves the target of a commit that was cancelled open for writing, and so no other process could open it. */
async function closeForWriting(monitor: QmpConnection, node: ChainNode, below: ChainNode | undefined): Promise<void> {
  const backing = below === undefined ? null : await nodeOf(monitor, below);
  for (const options of [formatNode(node, true, backing), fileNode(node, true)]) {
    await monitor.execute('blockdev-reopen', { options: [options] });
  }
}

/** A layer that nothing reads any more lets itself be closed; one of the chain does not. */
async function isMerged(monitor: QmpConnection, { from }: LiveMerge): Promise<boolean> {
  const name = nodeName(from);
  const names = (await nodes(monitor)).map((node) => node['node-name']);
  if (names.includes(name)) {
    try {
      await monitor.execute('blockdev-del', { 'node-name': name });
    } catch (error) {
      if (error instanceof CheckpointError && error.code === 'QemuFailed') {
        return false;
      }
      throw error;
    }
  }
  if (names.includes(`${name}-f`)) {
    await monitor.execute('blockdev-del', { 'node-name': `${name}-f` });
  }
  return true;
}

interface Place {
  top: ChainNode;
  /** Stands on `upper`; absent when that is the active layer. */
  above?: ChainNode;
  upper: ChainNode;
  lower: ChainNode;
  below?: ChainNode;
}

function placeOf(chain: readonly ChainNode[], { from, to, direction }: LiveMerge): Place {
  const wanted = nodeName(direction === 'ancestor' ? from : to);
  const at = chain.findIndex((node) => node.nodeName === wanted);
  const [top, above, upper, lower, below] = [chain[0], chain[at - 1], chain[at], chain[at + 1], chain[at + 2]];
  if (top === undefined || upper === undefined || lower === undefined) {
    throw new CheckpointError('MachineDamaged', `The machine does not run on the layers ${from} and ${to}.`, {
      from,
      to,
    });
  }
  return { top, upper, lower, ...(above === undefined ? {} : { above }), ...(below === undefined ? {} : { below }) };
}

/** Frozen layers that are written: data, or the name of another parent. The active one is open for writing already. */
function writtenNodes({ top, above, upper, lower }: Place, { direction }: LiveMerge): ChainNode[] {
  const written = direction === 'ancestor' ? [lower, ...(above === undefined ? [] : [above])] : [upper];
  return written.filter((node) => node !== top);
}

/** QEMU's name for a file of the chain, also for one outside of the machine, whose name says how deep it once lay. */
async function nodeOf(monitor: QmpConnection, { file, nodeName: expected }: NamedFile): Promise<string> {
  const all = await nodes(monitor);
  const found = all.find((node) => node.drv === 'file' && node.file === file)?.['node-name'];
  return found?.replace(/-f$/, '') ?? expected;
}

async function nodes(monitor: QmpConnection): Promise<z.output<typeof nodesAnswer>> {
  return monitor.query('query-named-block-nodes', nodesAnswer, { flat: true });
}

/**
 * Makes a layer durable, with what QEMU still keeps of its tables. The file's data goes first, from here: the guest stands
 * still while QEMU flushes.
 */
async function flush(monitor: QmpConnection, node: NamedFile): Promise<void> {
  const file = await open(node.file, 'r');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
  const output = await monitor.query(
    'human-monitor-command',
    z.string(),
    { 'command-line': `qemu-io ${await nodeOf(monitor, node)} "flush"` },
    flushLimitMs,
  );
  if (output.trim() !== '') {
    throw new CheckpointError('QemuFailed', `QEMU could not make ${node.file} durable: ${output.trim()}`, { output });
  }
}
