import { Option, type Command } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import type { ApplyResult } from '../protocol/operations.ts';
import { withSpeed } from './merge-verb.ts';
import { wholeNumber } from './number-options.ts';
import type { Output } from './output.ts';
import { plannedVerb, runPlanned } from './planned-verb.ts';
import { tellSteps } from './resume-steps-text.ts';
import { pick, runVerb, verb as newVerb, type CommonOptions } from './verb.ts';

type Given = CommonOptions & Record<string, unknown>;

/** The verbs that change a machine's tree of checkpoints. */
export function addCheckpointVerbs(program: Command, output: Output): void {
  const verb = (usage: string, description: string): Command => plannedVerb(program, usage, description);
  const run = (options: CommonOptions, action: Parameters<typeof runVerb>[2]): Promise<void> =>
    runVerb(output, options, action);

  verb('take <machine> [name]', 'make a checkpoint of Now')
    .option('--name <name>', 'name of the checkpoint (default: date and time)')
    .option('--notes <text>', 'notes to keep with it')
    .option(
      '--keep-last <number>',
      'keep so many of that name, this one included; older ones go to the trash',
      wholeNumber,
    )
    .option('--memory', 'with memory (default for a running machine)')
    .option('--no-memory', 'disks only')
    .addOption(
      new Option('--kind <kind>', 'production: no memory, file systems frozen by the agent in the guest').choices([
        'standard',
        'production',
        'production-only',
      ]),
    )
    .action((machine: string, name: string | undefined, options: Given) => {
      const given = {
        machine,
        ...(name === undefined ? {} : { name }),
        ...pick(options, ['name', 'notes', 'memory', 'kind', 'keepLast']),
      };
      return runPlanned(output, options, 'take', given, async ({ service }, params, call) => {
        const taken = await service.take(params, call);
        const { checkpoint } = taken;
        const pause = checkpoint.pauseMs === undefined ? '' : `; the guest stood still for ${checkpoint.pauseMs} ms`;
        const consistent = checkpoint.hasMemory ? '' : `; consistency: ${checkpoint.consistency}`;
        const problem = taken.problem === undefined ? '' : ` ${taken.problem}`;
        output.result(
          taken,
          `Took “${checkpoint.name}” of “${taken.machine.name}” in ${taken.totalMs} ms${pause}${consistent}.${problem}`,
        );
      });
    });

  withApplyOptions(verb('apply <machine> <checkpoint>', 'make Now equal to a checkpoint')).action(
    (machine: string, checkpoint: string, options: Given) =>
      runPlanned(
        output,
        options,
        'apply',
        { machine, checkpoint, ...applyOptions(options) },
        async ({ service }, params, call) => {
          const applied = await service.apply(params, call);
          output.result(applied, applyText('Applied', applied));
        },
      ),
  );

  withApplyOptions(verb('revert <machine>', 'apply the checkpoint that Now grew from')).action(
    (machine: string, options: Given) =>
      runPlanned(
        output,
        options,
        'revert',
        { machine, ...applyOptions(options) },
        async ({ service }, params, call) => {
          const reverted = await service.revert(params, call);
          output.result(reverted, applyText('Reverted to', reverted));
        },
      ),
  );

  verb('undo <machine>', 'go back to what the last apply or revert left').action(
    (machine: string, options: CommonOptions) =>
      runPlanned(output, options, 'undo', { machine }, async ({ service }, params, call) => {
        const undone = await service.undo(params, call);
        output.result(undone, applyText('Went back to', undone));
      }),
  );

  verb('redo <machine>', 'go again to what the last undo left').action((machine: string, options: CommonOptions) =>
    runPlanned(output, options, 'redo', { machine }, async ({ service }, params, call) => {
      const redone = await service.redo(params, call);
      output.result(redone, applyText('Went again to', redone));
    }),
  );

  withSpeed(
    verb('delete <machine> <checkpoint> [others...]', 'move checkpoints to the trash; what hangs from them stays'),
  )
    .option('--subtree', 'with everything that hangs from them')
    .option('--purge', 'for good: their layers merge away, and they cannot be restored')
    .action((machine: string, checkpoint: string, also: string[], options: Given) => {
      const given = {
        machine,
        checkpoint,
        ...(also.length === 0 ? {} : { also }),
        ...pick(options, ['subtree', 'purge', 'speed']),
      };
      return runPlanned(output, options, 'delete', given, async ({ long }, params, call) => {
        const { all, ...rest } = await long.delete(params, call);
        const names = all.map(({ name }) => `“${name}”`).join(', ');
        const outcome =
          params.purge === true
            ? freedText(rest)
            : `ckpt restore brings ${all.length === 1 ? 'it' : 'each'} back until ${rest.machine.trash.at(-1)?.expires ?? 'then'}.`;
        output.result({ ...rest, all }, `Deleted ${names} of “${rest.machine.name}”; ${outcome}`);
      });
    });

  verb('restore <machine> <checkpoint>', 'bring a deleted checkpoint back').action(
    (machine: string, checkpoint: string, options: CommonOptions) =>
      runPlanned(output, options, 'restore', { machine, checkpoint }, async ({ service }, params) => {
        const restored = await service.restore(params);
        output.result(restored, `“${restored.checkpoint.name}” is back.`);
      }),
  );

  const trash = program.command('trash').description('deleted checkpoints that can still be restored');
  newVerb(trash, 'list [machine]', 'show what is in the trash').action(
    (machine: string | undefined, options: CommonOptions) =>
      run(options, async ({ service }) => {
        const machines =
          machine === undefined
            ? (await service.list()).hosts.flatMap((host) => host.machines)
            : [(await service.show(parseParams('show', { machine }))).machine];
        const lines = machines.flatMap((one) =>
          one.trash.map(
            ({ checkpoint, expires }) =>
              `${one.name}  ${checkpoint.name}  until ${expires}  ${checkpoint.id.slice(0, 8)}`,
          ),
        );
        const listed = machines.map((one) => ({ machine: one.name, trash: one.trash }));
        output.result({ machines: listed }, lines.length === 0 ? 'The trash is empty.' : lines.join('\n'));
      }),
  );
  withSpeed(
    plannedVerb(trash, 'empty <machine> [checkpoint]', 'delete for good, and merge away the layers that nobody needs'),
  ).action((machine: string, checkpoint: string | undefined, options: Given) => {
    const given = { machine, ...(checkpoint === undefined ? {} : { checkpoint }), ...pick(options, ['speed']) };
    return runPlanned(output, options, 'emptyTrash', given, async ({ long }, params, call) => {
      const emptied = await long.emptyTrash(params, call);
      const count = emptied.discarded.length;
      output.result(emptied, `${count} checkpoint${count === 1 ? ' is' : 's are'} gone; ${freedText(emptied)}`);
    });
  });

  verb('rename <machine> <checkpoint> <name>', 'give a checkpoint another name').action(
    (machine: string, checkpoint: string, name: string, options: CommonOptions) =>
      runPlanned(output, options, 'rename', { machine, checkpoint, name }, async ({ service }, params) => {
        const renamed = await service.rename(params);
        output.result(renamed, `The checkpoint is called “${renamed.checkpoint.name}” now.`);
      }),
  );

  verb('annotate <machine> <checkpoint>', 'give a checkpoint notes, a pin or a colour')
    .option('--notes <text>', 'notes; an empty text takes them away')
    .option('--pin', 'never delete it by a rule')
    .option('--no-pin', 'rules may delete it again')
    .option('--colour <colour>', 'red, orange, yellow, green, blue, purple or none')
    .action((machine: string, checkpoint: string, options: Given) => {
      const { pin } = options;
      const given = {
        machine,
        checkpoint,
        ...pick(options, ['notes', 'colour']),
        ...(pin === undefined ? {} : { pinned: pin }),
      };
      return runPlanned(output, options, 'annotate', given, async ({ service }, params) => {
        const annotated = await service.annotate(params);
        output.result(annotated, `“${annotated.checkpoint.name}” is annotated.`);
      });
    });
}

function freedText({ freedBytes, problem }: { freedBytes: number; problem?: string }): string {
  const left = problem === undefined ? '' : ` Layers that nobody needs are still there: ${problem}`;
  return `${mebibytes(freedBytes)} are free again.${left}`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function applyOptions(options: Given): Record<string, unknown> {
  return pick(options, ['discardNow', 'disksOnly', 'renewNetwork']);
}

function withApplyOptions(command: Command): Command {
  return command
    .option('--discard-now', 'do not keep what Now was')
    .option('--disks-only', "leave the checkpoint's memory out; the machine ends stopped")
    .option('--renew-network', 'have the guest ask for its addresses again (DHCP)');
}

function applyText(what: string, result: ApplyResult): string {
  const kept =
    result.kept === undefined ? '' : ` What was before is kept as “${result.kept.name}”; ckpt undo goes back to it.`;
  const steps = tellSteps(result.steps);
  return `${what} “${result.applied.name}” in ${result.totalMs} ms; “${result.machine.name}” is ${result.machine.state}.${kept}${steps === '' ? '' : ` ${steps}`}`;
}
