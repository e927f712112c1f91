import type { Command } from 'commander';
import { CheckpointError } from '../model/checkpoint-error.ts';
import { formatSize } from '../model/size.ts';
import type { Output } from './output.ts';
import { plannedVerb, runPlanned } from './planned-verb.ts';
import { pick, type CommonOptions } from './verb.ts';

type Given = CommonOptions & Record<string, unknown>;

/** The verbs that make machines of machines, or free them of others. */
export function addCopyVerbs(program: Command, output: Output): void {
  const verb = (usage: string, description: string): Command => plannedVerb(program, usage, description);

  verb(
    'clone <machine> <checkpoint-or-name> [name]',
    'make a new machine of a checkpoint, or of Now when none is given',
  )
    .option('--full', 'copy the disks; otherwise it stands on those of the checkpoint')
    .option('--folder <dir>', 'new folder for the disks of a machine of the host disks; needed for such')
    .action((machine: string, first: string, second: string | undefined, options: Given) => {
      const [checkpoint, name] = second === undefined ? [undefined, first] : [first, second];
      const given = {
        machine,
        name,
        ...(checkpoint === undefined ? {} : { checkpoint }),
        ...pick(options, ['full']),
        ...disksFolderIn(options),
      };
      return runPlanned(output, options, 'clone', given, async ({ copies }, params, call) => {
        const cloned = await copies.clone(params, call);
        const how = params.full === true ? '' : ` It stands on “${machine}”; ckpt flatten makes it independent.`;
        output.result(cloned, `Made “${cloned.machine.name}” in ${cloned.totalMs} ms.${how}`);
      });
    });

  verb('flatten <machine>', 'copy in what a stopped machine stands on, so that it needs no other files').action(
    (machine: string, options: CommonOptions) =>
      runPlanned(output, options, 'flatten', { machine }, async ({ copies }, params, call) => {
        const flattened = await copies.flatten(params, call);
        output.result(
          flattened,
          `“${flattened.machine.name}” stands alone; copied ${formatSize(flattened.copiedBytes)}.`,
        );
      }),
  );

  verb('move <machine> [folder]', "move a stopped machine's folder into another folder, on any disk")
    .option('--back', 'back to where machines are when they are made')
    .addHelpText(
      'after',
      '\nTo another disk it is copied and compared before the old files go. Of disk images that were added only the\nrecords move: the images stay where they are. While its disk is not connected, the machine is listed as not reachable.',
    )
    .action((machine: string, folder: string | undefined, options: Given) => {
      if ((folder === undefined) !== (options['back'] === true)) {
        throw new CheckpointError('InvalidArgument', 'Give either a folder to move the machine into, or --back.', {});
      }
      const given = { machine, ...(folder === undefined ? {} : { folder }) };
      return runPlanned(output, options, 'move', given, async ({ copies }, params, call) => {
        const moved = await copies.move(params, call);
        const how = moved.copiedBytes === 0 ? '' : ` Copied ${formatSize(moved.copiedBytes)}.`;
        output.result(moved, `“${moved.machine.name}” lies at ${moved.machine.folder} now.${how}`);
      });
    });

  verb('export <machine> <target>', 'copy a stopped machine with its whole tree into a new folder')
    .option('--checkpoint <checkpoint>', 'only the disks of that checkpoint, one image each')
    .option('--to <format>', 'with --checkpoint: qcow2 (default), vhd, vhdx, vmdk or raw')
    .action((machine: string, target: string, options: Given) => {
      const given = { machine, target, ...pick(options, ['checkpoint', 'to']) };
      return runPlanned(output, options, 'export', given, async ({ copies }, params, call) => {
        const exported = await copies.export(params, call);
        output.result(exported, `Exported ${formatSize(exported.sizeBytes)} to ${exported.folder}.`);
      });
    });

  verb('import <folder> [name]', 'make a machine of an exported one, or of one exported checkpoint')
    .option('--folder <dir>', 'new folder for the disks of a machine of the host disks; needed for such')
    .action((folder: string, name: string | undefined, options: Given) => {
      const given = { folder, ...(name === undefined ? {} : { name }), ...disksFolderIn(options) };
      return runPlanned(output, options, 'import', given, async ({ copies }, params, call) => {
        const imported = await copies.import(params, call);
        output.result(imported, `Imported “${imported.machine.name}” to ${imported.machine.folder}.`);
      });
    });
}

function disksFolderIn({ folder }: Given): { disksFolder?: string } {
  return typeof folder === 'string' ? { disksFolder: folder } : {};
}
