import { z } from 'zod';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { nextPace, type Pace } from './merge-pace.ts';
import type { QmpConnection } from './qmp.ts';

/** The unit in which QEMU notes what the guest has changed while a job copies. */
const notedBytes = 64 * 1024;

const blockAnswer = z.array(
  z.object({
    /** QOM path of the device, or of its back end; absent for one that the guest does not have any more. */
    qdev: z.string().optional(),
    inserted: z.object({ bps_wr: z.number(), iops_wr: z.number() }).optional(),
  }),
);

/**
 * Limits what the guest writes to a disk (QMP `block_set_io_throttle`). Small writes count by their number: each costs the job a
 * copy of {@link notedBytes}.
 * @param bytesPerSecond 0: no limit
 */
async function limitWrites(monitor: QmpConnection, device: string, bytesPerSecond: number): Promise<void> {
  await monitor.execute('block_set_io_throttle', {
    id: device,
    bps: 0,
    bps_rd: 0,
    bps_wr: bytesPerSecond,
    iops: 0,
    iops_rd: 0,
    iops_wr: Math.ceil(bytesPerSecond / notedBytes),
  });
}

/** Lets the guest write as fast as it can again, whoever limited it. Safe to repeat. */
export async function liftLimit(monitor: QmpConnection, disk: string): Promise<void> {
  const { device, isLimited } = await deviceOf(monitor, disk);
  if (device !== undefined && isLimited) {
    await limitWrites(monitor, device, 0);
  }
}

async function deviceOf(
  monitor: QmpConnection,
  disk: string,
): Promise<{ device: string | undefined; isLimited: boolean }> {
  const found = (await monitor.query('query-block', blockAnswer)).find(
    ({ qdev }) => qdev?.split('/').includes(disk) === true,
  );
  const { bps_wr: bytes, iops_wr: requests } = found?.inserted ?? { bps_wr: 0, iops_wr: 0 };
  return { device: found?.qdev, isLimited: bytes > 0 || requests > 0 };
}

/**
 * Sees that a job that copies what the guest writes comes to its end, by what it is told of its progress; see `merge-pace.ts`. The
 * limit stays: whoever ends the merge lifts it.
 */
export class WritePace {
  readonly #monitor: QmpConnection;
  readonly #disk: string;
  #pace: Pace | undefined;

  constructor(monitor: QmpConnection, disk: string) {
    this.#monitor = monitor;
    this.#disk = disk;
  }

  /** @throws GuestTooBusy */
  async keep(doneBytes: number, totalBytes: number): Promise<void> {
    const before = this.#pace?.limit?.bytesPerSecond;
    const { pace, isGivenUp } = nextPace(this.#pace, {
      atMs: performance.now(),
      doneBytes,
      leftBytes: totalBytes - doneBytes,
    });
    this.#pace = pace;
    if (isGivenUp) {
      throw new CheckpointError(
        'GuestTooBusy',
        'The guest writes to its disk faster than layers can be merged, although its disk was slowed down for a while. The layers are as before. Merge them when it writes less, or stop the machine first.',
        { disk: this.#disk, leftBytes: totalBytes - doneBytes },
      );
    }
    if (pace.limit !== undefined && pace.limit.bytesPerSecond !== before) {
      const { device } = await deviceOf(this.#monitor, this.#disk);
      if (device !== undefined) {
        await limitWrites(this.#monitor, device, pace.limit.bytesPerSecond);
      }
    }
  }
}
