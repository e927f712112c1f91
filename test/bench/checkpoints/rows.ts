import type { BenchRow } from '../disks/row.ts';
import { applyRows } from './apply-rows.ts';
import { deleteRows } from './delete-rows.ts';
import { listRows } from './list-rows.ts';
import { takeRows } from './take-rows.ts';

/** The checkpoint service's table of speeds. */
export const checkpointsRows: readonly BenchRow[] = [...takeRows, ...applyRows, ...listRows, ...deleteRows];
