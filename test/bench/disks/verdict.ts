import type { BenchRow } from './row.ts';

/** @returns NaN of none */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** What is to be reached beside a peer is not reached without one. */
export function verdictOf({ isReached }: Pick<BenchRow, 'isReached'>, ours: number, peer: number | undefined): string {
  if (isReached(ours, peer ?? NaN)) {
    return 'reached';
  }
  return peer === undefined && (isReached(ours, Infinity) || isReached(ours, 0)) ? 'no peer' : 'MISSED';
}
