/** One row of the table. */
export interface BenchRow {
  name: string;
  /** What is to be reached, in words. */
  reach: string;
  /** @param ours and the peer's median, in ms */
  isReached: (ours: number, peer: number) => boolean;
  /** Peers that take very long get fewer rounds. */
  mostRounds?: number;
  prepare: (folder: string) => Promise<PreparedRow>;
}

export interface PreparedRow {
  /** Puts the files back; before each run, not measured. */
  before?: () => Promise<void>;
  /** The work. @returns its time in ms, as {@link timed} measures it */
  ours: () => Promise<number>;
  peer?: () => Promise<number>;
  after?: () => Promise<void>;
}

/** At least so many times as fast as the peer. */
export function timesFaster(factor: number): Pick<BenchRow, 'reach' | 'isReached'> {
  return { reach: `≥ ${factor} × the peer`, isReached: (ours, peer) => peer / ours >= factor };
}

/** In at most so many milliseconds. */
export function within(ms: number): Pick<BenchRow, 'reach' | 'isReached'> {
  return { reach: `≤ ${ms} ms`, isReached: (ours) => ours <= ms };
}

/** @returns the time that something takes, in ms */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
