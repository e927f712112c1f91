import path from 'node:path';
import * as vscode from 'vscode';
import type { CheckpointsContext } from '../../context.ts';
import { nameProblemText } from '../../naming/name-input.ts';
import { machineNameFromFile, machineNameProblem } from '../../naming/names.ts';
import { perform } from '../../operations/perform.ts';
import type { CommandHandler } from '../command.ts';
import { askDiskFiles, freeName } from './new-machine.ts';

/** Adds a machine that is plain disk images: they stay where they are, for the program that uses them. */
export const addDiskImages: CommandHandler = async (context) => {
  const [disk, ...moreDisks] = await askDiskFiles();
  if (disk === undefined) {
    return undefined;
  }
  const taken = new Set(context.machines.machines.map(({ name }) => name.toLowerCase()));
  const name = await vscode.window.showInputBox({
    title: vscode.l10n.t('Add Disk Images'),
    prompt: vscode.l10n.t('Name of the machine that the images are the disks of'),
    value: freeName(context.machines.machines, machineNameFromFile(path.basename(disk))),
    validateInput: (value) =>
      taken.has(value.trim().toLowerCase())
        ? vscode.l10n.t('There is a machine “{0}” already.', value.trim())
        : nameProblemText(machineNameProblem(value)),
  });
  return name === undefined ? undefined : add(context, name.trim(), disk, moreDisks);
};

function add(context: CheckpointsContext, name: string, disk: string, moreDisks: string[]): Promise<unknown> {
  return perform(context, {
    name: 'addMachine',
    params: { name, host: 'disks', disk, ...(moreDisks.length === 0 ? {} : { moreDisks }) },
    title: vscode.l10n.t('Adding “{0}”…', name),
    done: () => {
      void vscode.window.showInformationMessage(
        vscode.l10n.t('Added “{0}”. Take checkpoints of it while no program uses its disks.', name),
      );
    },
  });
}
