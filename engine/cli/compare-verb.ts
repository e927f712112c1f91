import type { Command } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import type { CompareOperations, DiskDifference } from '../protocol/compare.ts';
import { wholeNumber } from './number-options.ts';
import type { Output } from './output.ts';
import { pick, runVerb, verb, type CommonOptions } from './verb.ts';

/** `ckpt compare`. */
export function addCompareVerb(program: Command, output: Output): void {
  verb(program, 'compare <machine> <checkpoint> <other>', 'show in what two checkpoints of a machine differ')
    .option('--limit <number>', 'how many ranges of each disk to list at most', wholeNumber)
    .addHelpText('after', '\nDisks and settings are compared; memory is not.')
    .action((machine: string, checkpoint: string, other: string, options: CommonOptions & Record<string, unknown>) =>
      runVerb(output, options, async ({ compare }, call) => {
        const given = { machine, checkpoint, other, ...pick(options, ['limit']) };
        const found = await compare.compare(parseParams('compare', given), call);
        output.result(found, compareText(found));
      }),
    );
}

function compareText({ isSame, disks, settings }: CompareOperations['compare']['result']): string {
  return isSame
    ? 'Their disks hold the same, and so do their settings.'
    : [
        ...disks.flatMap(diskLines),
        ...settings.map(({ setting, checkpoint = '–', other = '–' }) => `${setting}: ${checkpoint} → ${other}`),
      ].join('\n');
}

function diskLines(difference: DiskDifference): string[] {
  const { disk, isSame, differingBytes, differingRanges, ranges } = difference;
  if (difference.in !== 'both') {
    return [`${disk}: only the ${difference.in === 'checkpoint' ? 'first' : 'second'} has it`];
  }
  return isSame
    ? [`${disk}: the same`]
    : [
        `${disk}: ${differingBytes} bytes differ, in ${differingRanges} ranges`,
        ...ranges.map(({ offset, length }) => `  ${offset}  ${length}`),
      ];
}
