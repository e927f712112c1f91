import { InvalidArgumentError, type Command } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import { formatSize } from '../model/size.ts';
import type { Output } from './output.ts';
import { runVerb, verb, type CommonOptions } from './verb.ts';

/** `ckpt pack-memory`. */
export function addPackVerb(program: Command, output: Output): void {
  verb(
    program,
    'pack-memory <machine>',
    'pack the saved memory of checkpoints, but for the one that Now hangs from; to apply them takes somewhat longer',
  )
    .option('--older-than <hours>', 'only of checkpoints that were taken longer ago', hours)
    .action((machine: string, options: CommonOptions & Record<string, unknown>) =>
      runVerb(output, options, async ({ packing }, call) => {
        const done = await packing.packMemory(parseParams('packMemory', { machine, ...chosen(options) }), call);
        const count = `${done.packed} checkpoint${done.packed === 1 ? '' : 's'}`;
        const problem = done.problem === undefined ? '' : `\n${done.problem}`;
        output.result(
          done,
          (done.packed === 0
            ? `“${done.machine.name}” has no saved memory that is to be packed.`
            : `Packed the memory of ${count} of “${done.machine.name}”; ${formatSize(done.freedBytes)} are free again.`) +
            problem,
        );
      }),
    );
}

function chosen({ olderThan }: Record<string, unknown>): { olderThanHours?: unknown } {
  return olderThan === undefined ? {} : { olderThanHours: olderThan };
}

function hours(text: string): number {
  if (!/^\d{1,7}(?:\.\d+)?$/.test(text)) {
    throw new InvalidArgumentError('It must be a number of hours.');
  }
  return Number(text);
}
