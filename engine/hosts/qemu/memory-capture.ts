import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import type { HypervisorIdentity } from '../../model/saved-memory.ts';
import type { MemoryMethod } from '../../protocol/machines.ts';
import { restoreHugePages } from './huge-pages.ts';
import type { MemoryTarget } from './memory-target.ts';
import { PauseWatch } from './pause-watch.ts';
import { runState } from './qemu-process.ts';
import { endsBackgroundSnapshots, seesAllWrites, versionOf } from './qemu-version.ts';
import type { QmpConnection } from './qmp.ts';
import { touchMemory } from './touch-memory.ts';

/** Bytes a second; the default of migrate-set-parameters would throttle to 128 MiB/s. */
const unlimitedBandwidth = 2 ** 40;
/** What may be left to copy when the guest is paused for it. */
const downtimeLimitMs = 10;
/** A guest that writes faster than its memory can be copied is paused once this many times its memory has been. */
const longestChase = 1.5;
/** A stream that has not moved for this long never will. */
const stallLimitMs = 60_000;
const intervalMs = 5;
const cancelIntervalMs = 20;
/** The guest stands still meanwhile, and QEMU tells no event. */
const quietIntervalMs = 1;

const migrateAnswer = z.object({
  status: z.string().optional(),
  'error-desc': z.string().optional(),
  ram: z.object({ transferred: z.number(), total: z.number(), normal: z.number(), duplicate: z.number() }).optional(),
});
const capabilitiesAnswer = z.array(z.object({ capability: z.string(), state: z.boolean() }));
type MigrateAnswer = z.output<typeof migrateAnswer>;

type WayWhileRunning = Exclude<MemoryMethod, 'stopped'>;

export interface Capture {
  /** What belongs to one instant: runs once, while the guest stands still. */
  whileStopped: () => Promise<void>;
  wasPaused: boolean;
  signal: AbortSignal | undefined;
}

export interface CaptureWithMemory extends Capture {
  target: MemoryTarget;
  /** Of the QEMU. */
  pid: number;
  hypervisor: HypervisorIdentity;
}

export interface CapturedMemory {
  method: MemoryMethod;
  pauseMs: number;
}

/**
 * Saves the memory of a guest, by the way that pauses it least. It runs on afterwards, if it ran.
 *
 * In each way the disks are switched in the very pause whose memory is saved: with the switch before or after, memory and
 * disks would not be of one instant.
 * @throws NotEnoughSpace, QemuFailed, QmpTimeout, and what `whileStopped` throws; whether the guest runs then is for the caller to see to
 */
export async function captureMemory(monitor: QmpConnection, capture: CaptureWithMemory): Promise<CapturedMemory> {
  const method = capture.wasPaused ? 'stopped' : await bestMethod(monitor, capture.target);
  await monitor.execute('migrate-set-parameters', {
    'max-bandwidth': unlimitedBandwidth,
    'downtime-limit': downtimeLimitMs,
  });
  const pauses = new PauseWatch(monitor);
  try {
    await ways[method](monitor, capture, pauses);
    return { method, pauseMs: pauses.totalMs };
  } finally {
    pauses.end();
  }
}

/**
 * Pauses a guest for something. It runs on afterwards, if it ran.
 * @returns the length of the pause in ms
 */
export async function pauseFor(monitor: QmpConnection, { whileStopped, wasPaused }: Capture): Promise<number> {
  const pauses = new PauseWatch(monitor);
  try {
    await monitor.execute('stop');
    await whileStopped();
    if (!wasPaused) {
      await monitor.execute('cont');
      await pauses.untilResumed();
    }
    return pauses.totalMs;
  } finally {
    pauses.end();
  }
}

/** Saves the memory of a guest that stands still, and stays so. */
export async function saveMemory(monitor: QmpConnection, target: MemoryTarget, signal?: AbortSignal): Promise<void> {
  await allow(monitor, undefined);
  await monitor.execute('migrate-set-parameters', { 'max-bandwidth': unlimitedBandwidth });
  await monitor.execute('migrate', target.destination);
  await untilCompleted(monitor, target, signal);
  await untilQuiet(monitor);
}

/**
 * Ends a migration that is under way, and waits until QEMU says that it is over. A background snapshot of an old QEMU is left to
 * come to its end: 7.2 does not lift the write protection of one that is cancelled, and the first write to a page not yet saved
 * stops the guest for good, and QEMU with it when a device writes. Its target cannot fail, and the guest runs on meanwhile.
 * @throws QmpTimeout
 */
export async function endMigration(monitor: QmpConnection): Promise<void> {
  if (await mayBeCancelled(monitor)) {
    await monitor.execute('migrate_cancel');
  }
  await untilEnded(monitor);
  await untilQuiet(monitor);
}

async function mayBeCancelled(monitor: QmpConnection): Promise<boolean> {
  const capabilities = await monitor.query('query-migrate-capabilities', capabilitiesAnswer);
  const isBackground = capabilities.some(({ capability, state }) => capability === 'background-snapshot' && state);
  return !isBackground || endsBackgroundSnapshots(await versionOf(monitor));
}

async function untilEnded(monitor: QmpConnection): Promise<void> {
  const progress = new Progress();
  const look = async (): Promise<true | undefined> => {
    const answer = await monitor.query('query-migrate', migrateAnswer);
    if (answer.status === undefined || ['none', 'completed', 'failed', 'cancelled'].includes(answer.status)) {
      return true;
    }
    progress.see(answer);
    return undefined;
  };
  await monitor.until(look, { everyMs: cancelIntervalMs });
}

/** How far a migration is; a stream that stands still never ends. */
class Progress {
  #bytes = -1;
  #at = performance.now();

  /** @throws QmpTimeout */
  see({ status, ram }: MigrateAnswer): void {
    const bytes = ram?.transferred ?? 0;
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#at = performance.now();
    } else if (performance.now() - this.#at > stallLimitMs) {
      throw new CheckpointError('QmpTimeout', `QEMU has saved nothing of the memory for ${stallLimitMs / 1000} s.`, {
        status,
      });
    }
  }
}

const ways: Readonly<
  Record<MemoryMethod, (monitor: QmpConnection, capture: CaptureWithMemory, pauses: PauseWatch) => Promise<void>>
> = {
  /**
   * The guest runs on as soon as QEMU has the devices; a write to a page not yet saved waits for that page. QEMU 7.2 lets it run
   * on by itself; a newer one leaves a guest that was stopped as it was. Once a page is saved, its memory is write-protected.
   */
  'background-snapshot': async (monitor, { pid, target, whileStopped, signal }, pauses) => {
    await restoreHugePages(pid, signal);
    await touchMemory(pid, signal);
    await monitor.execute('stop');
    await whileStopped();
    await monitor.execute('migrate', target.destination);
    await pauses.untilResumed(async () => {
      const answer = await monitor.query('query-migrate', migrateAnswer);
      await throwIfEnded(answer, target);
      if (answer.ram !== undefined && answer.ram.normal + answer.ram.duplicate > 0) {
        await monitor.execute('cont');
      }
    });
    await untilCompleted(monitor, target, signal);
  },

  /** Memory is copied while the guest runs, and what it changed meanwhile again; it pauses for the last of it. */
  'pause-before-switchover': async (monitor, { target, whileStopped, signal, hypervisor }, pauses) => {
    if (seesAllWrites(hypervisor)) {
      await copyRepeatedly(monitor, target, signal);
    } else {
      await copyOnce(monitor, target, pauses, signal);
    }
    await whileStopped();
    await monitor.execute('migrate-continue', { state: 'pre-switchover' });
    await untilCompleted(monitor, target, signal);
    await untilQuiet(monitor);
    await monitor.execute('cont');
    await pauses.untilResumed();
  },

  stopped: async (monitor, { target, whileStopped, wasPaused, signal }, pauses) => {
    await monitor.execute('stop');
    await whileStopped();
    await saveMemory(monitor, target, signal);
    if (wasPaused) {
      await leaveMigration(monitor);
    } else {
      await monitor.execute('cont');
      await pauses.untilResumed();
    }
  },
};

/** Copies the memory of a guest, and what it wrote meanwhile, until there is little left. It stands still then. */
async function copyRepeatedly(
  monitor: QmpConnection,
  target: MemoryTarget,
  signal: AbortSignal | undefined,
): Promise<void> {
  await monitor.execute('migrate', target.destination);
  let isChased = true;
  await until(monitor, ['pre-switchover'], target, signal, async ({ ram }) => {
    if (isChased && ram !== undefined && ram.transferred > longestChase * ram.total) {
      isChased = false;
      await monitor.execute('stop');
    }
  });
}

/**
 * The same where QEMU loses sight of what the guest writes. It is asked twice, each time while the guest stands still: when it begins,
 * as it forgets then which pages may be written unseen, and when all is copied. With nothing allowed to be left it does not ask in
 * between (`ram_save_pending` of QEMU's migration/ram.c), and what was written during the one copy is left for the pause.
 */
async function copyOnce(
  monitor: QmpConnection,
  target: MemoryTarget,
  pauses: PauseWatch,
  signal: AbortSignal | undefined,
): Promise<void> {
  await monitor.execute('migrate-set-parameters', { 'downtime-limit': 0 });
  await monitor.execute('stop');
  await monitor.execute('migrate', target.destination);
  const { status } = await until(monitor, ['active', 'pre-switchover'], target, signal);
  if (status === 'active' && (await runsOn(monitor))) {
    await pauses.untilResumed();
  }
  await until(monitor, ['pre-switchover'], target, signal);
}

/** @returns false when QEMU has copied everything meanwhile, and lets the guest run no more */
async function runsOn(monitor: QmpConnection): Promise<boolean> {
  try {
    await monitor.execute('cont');
    return true;
  } catch (error) {
    if (
      error instanceof CheckpointError &&
      error.code === 'QemuFailed' &&
      (await runState(monitor)) === 'finish-migrate'
    ) {
      return false;
    }
    throw error;
  }
}

/**
 * A guest that stands still since its memory was saved has given its disks away: QEMU merges none of its layers then, and saves
 * no memory again. Only running takes them back; how long is for QEMU to say, which has read both commands by then.
 */
export async function leaveMigration(monitor: QmpConnection): Promise<void> {
  if ((await runState(monitor)) === 'postmigrate') {
    await Promise.all([monitor.execute('cont'), monitor.execute('stop')]);
  }
}

/** A failed write of a background snapshot hangs an old QEMU for good, so it needs a target that cannot fail. */
async function bestMethod(monitor: QmpConnection, target: MemoryTarget): Promise<MemoryMethod> {
  const possible: WayWhileRunning[] = [
    ...(target.takesBackgroundSnapshots ? (['background-snapshot'] as const) : []),
    'pause-before-switchover',
  ];
  for (const method of possible) {
    if (await allow(monitor, method)) {
      return method;
    }
  }
  return 'stopped';
}

/**
 * Sets the capability that a way needs, and no other.
 * @returns false when QEMU refuses: an older one, or one without the right to write-protect memory (userfaultfd)
 */
async function allow(monitor: QmpConnection, method: WayWhileRunning | undefined): Promise<boolean> {
  const capabilities = (['background-snapshot', 'pause-before-switchover'] as const).map((capability) => ({
    capability,
    state: capability === method,
  }));
  try {
    await monitor.execute('migrate-set-capabilities', {
      // With its events, so that the guest does not stand still until somebody asks again.
      capabilities: [...capabilities.sort((a, b) => +a.state - +b.state), { capability: 'events', state: true }],
    });
    return true;
  } catch (error) {
    if (error instanceof CheckpointError && error.code === 'QemuFailed') {
      return false;
    }
    throw error;
  }
}

async function untilCompleted(
  monitor: QmpConnection,
  target: MemoryTarget,
  signal: AbortSignal | undefined,
): Promise<void> {
  await until(monitor, ['completed'], target, signal);
}

/** Waits for one of these statuses of the migration (`MigrationStatus` of QEMU's migration schema). */
async function until(
  monitor: QmpConnection,
  wanted: readonly ('active' | 'pre-switchover' | 'completed')[],
  target: MemoryTarget,
  signal: AbortSignal | undefined,
  progressed: (answer: MigrateAnswer) => Promise<void> = async () => undefined,
): Promise<MigrateAnswer> {
  const progress = new Progress();
  const look = async (): Promise<MigrateAnswer | undefined> => {
    target.throwIfFailed();
    const answer = await monitor.query('query-migrate', migrateAnswer);
    if (wanted.some((status) => status === answer.status)) {
      return answer;
    }
    await throwIfEnded(answer, target);
    await progressed(answer);
    progress.see(answer);
    return undefined;
  };
  return monitor.until(look, { everyMs: intervalMs, signal });
}

async function throwIfEnded({ status, ...answer }: MigrateAnswer, target: MemoryTarget): Promise<void> {
  if (status === 'failed' || status === 'cancelled') {
    const reason = `QEMU could not save the memory: ${answer['error-desc'] ?? status}.`;
    throw (await target.whyFailed()) ?? new CheckpointError('QemuFailed', reason, { status });
  }
}

/** After the stream's end QEMU passes through `finish-migrate`, in which it refuses to run the guest. */
async function untilQuiet(monitor: QmpConnection): Promise<void> {
  while ((await runState(monitor)) === 'finish-migrate') {
    await delay(quietIntervalMs);
  }
}
