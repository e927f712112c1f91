import type { Command } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import type { Output } from './output.ts';
import { runVerb, verb, type CommonOptions } from './verb.ts';

/** `ckpt forget-machine`. */
export function addForgetVerb(program: Command, output: Output): void {
  verb(
    program,
    'forget-machine <machine>',
    'take a machine off the list that is not reachable; its folder stays as it is',
  ).action((machine: string, options: CommonOptions) =>
    runVerb(output, options, async ({ life }) => {
      const forgot = await life.forgetMachine(parseParams('forgetMachine', { machine }));
      output.result(
        forgot,
        `“${forgot.forgotten}” is off the list. Should its folder come back, this makes a machine of it again: ckpt import ${forgot.folder}`,
      );
    }),
  );
}
