import type { Command } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import type { Output } from './output.ts';
import { runVerb, verb, type CommonOptions } from './verb.ts';

/** `ckpt set-group`. */
export function addSetGroupVerb(program: Command, output: Output): void {
  verb(program, 'set-group <machine> [group]', 'show a machine in a group of machines; without one, in none').action(
    (machine: string, group: string | undefined, options: CommonOptions) =>
      runVerb(output, options, async ({ machineGroups }) => {
        const set = await machineGroups.setGroup(parseParams('setGroup', { machine, group: group ?? '' }));
        const { name, group: present } = set.machine;
        output.result(
          set,
          present === undefined ? `“${name}” is in no group now.` : `“${name}” is in the group “${present}” now.`,
        );
      }),
  );
}
