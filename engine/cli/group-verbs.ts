import { Option, type Command } from 'commander';
import type { GroupInfo } from '../protocol/groups.ts';
import type { Output } from './output.ts';
import { plannedVerb, runPlanned } from './planned-verb.ts';
import { tellSteps } from './resume-steps-text.ts';
import { pick, runVerb, verb, type CommonOptions } from './verb.ts';

type Given = CommonOptions & Record<string, unknown>;

/** The verbs on groups: checkpoints of several machines, all or none. */
export function addGroupVerbs(program: Command, output: Output): void {
  const group = program.command('group').description('checkpoints of several machines, all or none');

  verb(group, 'list', 'show the groups').action((options: CommonOptions) =>
    runVerb(output, options, async ({ groups }) => {
      const listed = await groups.groupList();
      output.result(listed, listed.groups.length === 0 ? 'No groups.' : listed.groups.map(groupText).join('\n'));
    }),
  );

  plannedVerb(group, 'take [name]', 'make a checkpoint of each machine, or of none')
    .requiredOption('--machine <machine>', 'a machine of the group; once for each', collect)
    .option('--notes <text>', 'notes to keep with each')
    .option('--memory', 'with memory (default for those that run)')
    .option('--no-memory', 'disks only')
    .addOption(
      new Option('--kind <kind>', 'production: no memory, file systems frozen by the agent in the guest').choices([
        'standard',
        'production',
        'production-only',
      ]),
    )
    .action((name: string | undefined, options: Given) => {
      const given = {
        machines: options['machine'],
        ...(name === undefined ? {} : { name }),
        ...pick(options, ['notes', 'memory', 'kind']),
      };
      return runPlanned(output, options, 'groupTake', given, async ({ groups }, params, call) => {
        const taken = await groups.groupTake(params, call);
        const problems = Object.entries(taken.problems).map(([machine, { problem }]) => `${machine}: ${problem}`);
        output.result(taken, [`Took ${groupText(taken.group)}`, ...problems].join('\n'));
      });
    });

  plannedVerb(group, 'apply <group>', 'make Now of each machine equal to its checkpoint')
    .option('--disks-only', "leave the checkpoints' memory out; the machines end stopped")
    .action((reference: string, options: Given) => {
      const given = { group: reference, ...pick(options, ['disksOnly']) };
      return runPlanned(output, options, 'groupApply', given, async ({ groups }, params, call) => {
        const applied = await groups.groupApply(params, call);
        const steps = Object.entries(applied.steps).map(([machine, each]) => `${machine}: ${tellSteps(each)}`);
        output.result(applied, [`Applied ${groupText(applied.group)}`, ...steps].join('\n'));
      });
    });

  plannedVerb(group, 'delete <group>', 'move the checkpoints of a group to the trash').action(
    (reference: string, options: CommonOptions) =>
      runPlanned(output, options, 'groupDelete', { group: reference }, async ({ groups }, params) => {
        const deleted = await groups.groupDelete(params);
        output.result(deleted, `Deleted ${groupText(deleted.group)}`);
      }),
  );
}

function collect(machine: string, before: string[] | undefined): string[] {
  return [...(before ?? []), machine];
}

function groupText({ id, name, members }: GroupInfo): string {
  const each = members.map(
    ({ machine, checkpoint }) => `“${machine}” (${checkpoint.hasMemory ? 'with memory' : checkpoint.consistency})`,
  );
  return `“${name}” (${id.slice(0, 8)}) of ${each.join(', ')}`;
}
