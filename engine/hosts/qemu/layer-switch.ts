import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { fileNode, formatNode, type ChainNode, type DiskChain } from './command-line.ts';
import type { QmpConnection } from './qmp.ts';

const jobsAnswer = z.array(z.object({ id: z.string(), status: z.string(), 'current-progress': z.number() }));
/** A job that has not moved for this long never will. */
const stallLimitMs = 30_000;

/** The change of a running machine from its active layers to empty ones on top of them. */
export class LayerSwitch {
  readonly #monitor: QmpConnection;
  readonly #steps: readonly { overlay: ChainNode; node: ChainNode }[];
  /** Nodes that QEMU was given, the newest first. */
  readonly #added: string[] = [];
  #isDone = false;

  /** @throws MachineDamaged */
  constructor(monitor: QmpConnection, oldChains: DiskChain[], newChains: DiskChain[]) {
    this.#monitor = monitor;
    this.#steps = newChains.map((chain, index) => {
      const overlay = chain.nodes[0];
      const node = oldChains[index]?.nodes[0];
      if (overlay === undefined || node === undefined) {
        throw new CheckpointError('MachineDamaged', 'A disk has no layers.', {});
      }
      return { overlay, node };
    });
  }

  /** All that can be done while the guest still runs. */
  async prepare(): Promise<void> {
    for (const { overlay } of this.#steps) {
      await this.#monitor.execute('blockdev-add', fileNode(overlay, false));
      this.#added.unshift(`${overlay.nodeName}-f`);
      await this.#monitor.execute('blockdev-add', formatNode(overlay, false, null));
      this.#added.unshift(overlay.nodeName);
    }
  }

  /** One transaction for all disks: all of them switch, or none (QMP `transaction` of `blockdev-snapshot`). */
  async switch(): Promise<void> {
    const actions = this.#steps.map(({ overlay, node }) => ({
      type: 'blockdev-snapshot',
      data: { node: node.nodeName, overlay: overlay.nodeName },
    }));
    await this.#monitor.execute('transaction', { actions });
    this.#isDone = true;
  }

  /** Goes back to the old layers, whether the guest runs or not: what it has written since is committed to them (QMP `block-commit`). */
  async undo(): Promise<void> {
    if (this.#isDone) {
      for (const { overlay, node } of this.#steps) {
        await commitAway(this.#monitor, overlay.nodeName, node.nodeName);
      }
    }
    for (const node of this.#added) {
      await this.#monitor.execute('blockdev-del', { 'node-name': node });
    }
  }
}

async function commitAway(monitor: QmpConnection, overlay: string, base: string): Promise<void> {
  const id = `back-${overlay}`;
  await monitor.execute('block-commit', { 'job-id': id, device: overlay, 'top-node': overlay, 'base-node': base });
  await untilJob(monitor, id, 'ready');
  await monitor.execute('job-complete', { id });
  await untilJob(monitor, id, undefined);
}

/** Waits until a block job has a status (`JobStatus` of QEMU's job schema), or is gone. */
async function untilJob(monitor: QmpConnection, id: string, status: string | undefined): Promise<void> {
  let moved = { bytes: -1, at: performance.now() };
  for (;;) {
    const job = (await monitor.query('query-jobs', jobsAnswer)).find((one) => one.id === id);
    if (job?.status === status) {
      return;
    }
    const bytes = job?.['current-progress'] ?? 0;
    if (bytes !== moved.bytes) {
      moved = { bytes, at: performance.now() };
    } else if (performance.now() - moved.at > stallLimitMs) {
      throw new CheckpointError('QmpTimeout', `QEMU's job ${id} stands still.`, { id });
    }
    await delay(10);
  }
}
