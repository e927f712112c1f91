/** How long a machine has run in all, and what it was last seen doing. */
export interface RunningTime {
  milliseconds: number;
  /** Its process when it was last seen; absent when it was stopped. */
  last?: Sighting;
}

export interface Sighting {
  /** Tells a hypervisor's process from every other, also from those of an earlier boot. */
  process: string;
  isRunning: boolean;
  /** By the system's clock that nobody sets, that stands still while the computer sleeps, and that begins anew with each boot. */
  atMs: number;
}

/**
 * The time that has passed counts when the same process was running at the last look: then both looks are of one boot.
 * What a process ran between the last look and its death is not known and does not count, so things stay rather too long.
 * @param sighting absent when the machine is stopped
 */
export function withSighting(before: RunningTime, sighting: Sighting | undefined): RunningTime {
  const { last } = before;
  const hasRun = sighting !== undefined && last?.process === sighting.process && last.isRunning;
  const passedMs = hasRun ? Math.max(0, Math.round(sighting.atMs - last.atMs)) : 0;
  const milliseconds = before.milliseconds + passedMs;
  return sighting === undefined ? { milliseconds } : { milliseconds, last: sighting };
}

/**
 * Where to go on when the record is lost or was left behind by a copy: no checkpoint may be younger than it was.
 * @param recorded running seconds of the machine's checkpoints
 */
export function notBehind(time: RunningTime | undefined, recorded: readonly (number | undefined)[]): RunningTime {
  const newestMs = Math.max(0, ...recorded.map((seconds) => (seconds ?? 0) * 1000));
  return time === undefined || time.milliseconds < newestMs ? { ...time, milliseconds: newestMs } : time;
}

/** Whole seconds, as a checkpoint has them. */
export function runningSecondsOf({ milliseconds }: RunningTime): number {
  return Math.floor(milliseconds / 1000);
}
