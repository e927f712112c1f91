import type { FreedBytes } from '../../engine/protocol/space.ts';
import { formatSize } from '../presentation/size.ts';
import { freedText } from '../report/space-report.ts';
import type { EdgeSize } from './page-model.ts';

const mebibyte = 1024 * 1024;
/** From these sizes on a line is drawn thicker. */
const weights = [mebibyte, 64 * mebibyte, 1024 * mebibyte];

/** What a point alone takes, as it stands on the line that leads to it. */
export function edgeSize(exclusive: FreedBytes): EdgeSize {
  return { text: freedText(exclusive), weight: weightOf(exclusive.mostBytes) };
}

export function leastSize(bytes: number): EdgeSize {
  return { text: formatSize(bytes), weight: weightOf(bytes) };
}

function weightOf(bytes: number): number {
  return weights.filter((least) => bytes >= least).length;
}
