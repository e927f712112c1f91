// One row in a process of its own: prepares it, lets ours and the peer take turns, and sends the times.

import { checkpointsRows } from '../checkpoints/rows.ts';
import { disksRows } from './rows.ts';

const rounds = Number(process.env['CKPT_BENCH_ROUNDS'] ?? 5);

async function main(name: string, folder: string): Promise<void> {
  const row = [...disksRows, ...checkpointsRows].find((candidate) => candidate.name === name);
  if (row === undefined) {
    throw new Error(`There is no row ${name}`);
  }
  const prepared = await row.prepare(folder);
  const ours: number[] = [];
  const peer: number[] = [];
  // The first round warms up the page cache, and our code.
  await prepared.before?.();
  await prepared.ours();
  globalThis.gc?.();
  const idleBytes = process.memoryUsage.rss();
  let peakBytes = 0;
  const look = (): void => {
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss() - idleBytes);
  };
  for (let round = 0; round < Math.min(rounds, row.mostRounds ?? rounds); round++) {
    await prepared.before?.();
    if (prepared.peer !== undefined) {
      peer.push(await prepared.peer());
      await prepared.before?.();
    }
    const timer = setInterval(look, 5);
    ours.push(await prepared.ours());
    clearInterval(timer);
    look();
  }
  await prepared.after?.();
  process.send?.({ ours, peer, peakBytes });
}

const [, , name = '', folder = ''] = process.argv;
main(name, folder).then(
  () => process.disconnect(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
