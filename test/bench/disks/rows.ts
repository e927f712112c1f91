import { chainRows } from './chain-rows.ts';
import { convertRows } from './convert-rows.ts';
import { createRows } from './create-rows.ts';
import { mergeRows } from './merge-rows.ts';
import { nbdRows } from './nbd-rows.ts';
import type { BenchRow } from './row.ts';

/** The disk engine's table of speeds. */
export const disksRows: readonly BenchRow[] = [...createRows, ...mergeRows, ...convertRows, ...chainRows, ...nbdRows];
