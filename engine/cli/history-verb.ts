import type { Command } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import type { PastChange } from '../protocol/history.ts';
import { wholeNumber } from './number-options.ts';
import type { Output } from './output.ts';
import { pick, runVerb, verb, type CommonOptions } from './verb.ts';

/** `ckpt history`. */
export function addHistoryVerb(program: Command, output: Output): void {
  verb(program, 'history <machine>', 'show what was done to a machine, the latest first')
    .option('--last <number>', 'so many changes at most', wholeNumber)
    .action((machine: string, options: CommonOptions) =>
      runVerb(output, options, async ({ history }) => {
        const found = await history.history(parseParams('history', { machine, ...pick(options, ['last']) }));
        output.result(
          found,
          found.changes.map(changeText).join('\n') || `Nothing is on record of what was done to “${found.machine}”.`,
        );
      }),
    );
}

function changeText({ at, operation, about = [], face, outcome, durationMs, error }: PastChange): string {
  const names = about.map((name) => `“${name}”`).join(', ');
  const took = durationMs === undefined ? '' : `, ${durationMs} ms`;
  const how = error === undefined ? outcome : `${outcome}: ${error.message}`;
  return `${at}  ${operation}${names === '' ? '' : ` ${names}`}  ${face}${took}, ${how}`;
}
