import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { fileNode, formatNode, type DiskChain } from './command-line.ts';
import type { QmpConnection } from './qmp.ts';

const jobsAnswer = z.array(z.object({ id: z.string(), status: z.string() }));
/** An empty layer is committed in milliseconds. */
const jobLimitMs = 5000;

/** One transaction for all disks: all of them switch, or none (QMP `transaction` of `blockdev-snapshot`). */
export async function switchLayers(
  monitor: QmpConnection,
  oldChains: DiskChain[],
  newChains: DiskChain[],
): Promise<void> {
  const switches = newChains.map((chain, index) => ({ overlay: chain.nodes[0], node: oldChains[index]?.nodes[0] }));
  const added: string[] = [];
  try {
    const actions = [];
    for (const { overlay, node } of switches) {
      if (overlay === undefined || node === undefined) {
        throw new CheckpointError('MachineDamaged', 'A disk has no layers.', {});
      }
      await monitor.execute('blockdev-add', fileNode(overlay, false));
      added.unshift(`${overlay.nodeName}-f`);
      await monitor.execute('blockdev-add', formatNode(overlay, false, null));
      added.unshift(overlay.nodeName);
      actions.push({ type: 'blockdev-snapshot', data: { node: node.nodeName, overlay: overlay.nodeName } });
    }
    await monitor.execute('transaction', { actions });
  } catch (error) {
    for (const node of added) {
      // Only the first error is of interest; a node that stays is closed with QEMU.
      await monitor.execute('blockdev-del', { 'node-name': node }).catch(() => undefined);
    }
    throw error;
  }
}

/** Undoes {@link switchLayers} while the guest stands still: empty layers are committed away (QMP `block-commit`). */
export async function switchBack(
  monitor: QmpConnection,
  oldChains: DiskChain[],
  newChains: DiskChain[],
): Promise<void> {
  for (const [index, chain] of newChains.entries()) {
    const overlay = chain.nodes[0]?.nodeName;
    const base = oldChains[index]?.nodes[0]?.nodeName;
    if (overlay === undefined || base === undefined) {
      continue;
    }
    const id = `back-${overlay}`;
    await monitor.execute('block-commit', { 'job-id': id, device: overlay, 'top-node': overlay, 'base-node': base });
    await untilJob(monitor, id, 'ready');
    await monitor.execute('job-complete', { id });
    await untilJob(monitor, id, undefined);
    await monitor.execute('blockdev-del', { 'node-name': overlay });
    await monitor.execute('blockdev-del', { 'node-name': `${overlay}-f` });
  }
}

/** Waits until a block job has a status (`JobStatus` of QEMU's job schema), or is gone. */
async function untilJob(monitor: QmpConnection, id: string, status: string | undefined): Promise<void> {
  const end = performance.now() + jobLimitMs;
  while (performance.now() < end) {
    const job = (await monitor.query('query-jobs', jobsAnswer)).find((one) => one.id === id);
    if (job?.status === status) {
      return;
    }
    await delay(10);
  }
  throw new CheckpointError('QmpTimeout', `QEMU's job ${id} did not end in time.`, { id });
}
