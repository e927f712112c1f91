import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { median, verdictOf } from './disks/verdict.ts';
import type { BenchRow } from './disks/row.ts';
import { disksRows } from './disks/rows.ts';

/** What one row's process says when it is done. Times in milliseconds, one of each round. */
const measurement = z.object({
  ours: z.array(z.number()),
  peer: z.array(z.number()),
  /** Memory of our process above what it took before the first round, at its highest. */
  peakBytes: z.number(),
});

type Measurement = z.infer<typeof measurement>;

/**
 * Runs rows, or those whose names contain one of the words given, each in a process of its own so that
 * its memory can be told. Ours and the peer's take turns; the median counts.
 * CKPT_BENCH_FOLDER (the temporary folder), CKPT_BENCH_MIB (1024) and CKPT_BENCH_ROUNDS (5) change what is measured.
 */
export async function benchRows(rows: readonly BenchRow[], words: readonly string[]): Promise<void> {
  const chosen = rows.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  console.log(`${rows.length} rows, ${chosen.length} chosen; each figure is the median of its rounds, in ms`);
  console.log(line(['work', 'ours', 'peer', 'peer/ours', 'reach', 'MiB', '']));
  let missed = 0;
  for (const row of chosen) {
    const folder = await mkdtemp(path.join(process.env['CKPT_BENCH_FOLDER'] ?? tmpdir(), 'ckpt-bench-'));
    try {
      const found = await measure(row.name, folder);
      const ours = median(found.ours);
      const peer = found.peer.length === 0 ? undefined : median(found.peer);
      const verdict = found.peakBytes < 128 * 1024 * 1024 ? verdictOf(row, ours, peer) : 'MISSED';
      missed += verdict === 'reached' ? 0 : 1;
      console.log(
        line([
          row.name,
          ours.toFixed(1),
          peer?.toFixed(1) ?? '–',
          peer === undefined ? '–' : `${(peer / ours).toFixed(2)} ×`,
          row.reach,
          (found.peakBytes / 1024 / 1024).toFixed(0),
          verdict,
        ]),
      );
    } catch (error) {
      missed += 1;
      console.log(line([row.name, '–', '–', '–', row.reach, '–', 'FAILED']));
      console.log(`  ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  console.log(missed === 0 ? 'All reached.' : `${missed} not reached.`);
}

export function benchDisks(words: readonly string[]): Promise<void> {
  return benchRows(disksRows, words);
}

function measure(row: string, folder: string): Promise<Measurement> {
  return new Promise((resolve, reject) => {
    const child = fork(path.join(import.meta.dirname, 'disks/measure.ts'), [row, folder], {
      execArgv: ['--import', 'tsx', '--expose-gc'],
    });
    let result: Measurement | undefined;
    child.on('message', (message) => {
      result = measurement.parse(message);
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0 && result !== undefined) {
        resolve(result);
      } else {
        reject(new Error(`The row "${row}" could not be measured; its process ended with ${String(code)}.`));
      }
    });
  });
}

function line(cells: readonly string[]): string {
  const widths = [46, 9, 9, 10, 22, 5, 8];
  return cells.map((cell, at) => (at === 0 ? cell.padEnd(46) : cell.padStart(widths[at] ?? 8))).join(' ');
}
