import path from 'node:path';
import * as vscode from 'vscode';
import type { CheckpointsContext } from '../../context.ts';
import { askSteps } from '../../input/steps.ts';
import { machineNameFromFile } from '../../naming/names.ts';
import { perform } from '../../operations/perform.ts';
import type { CommandHandler } from '../command.ts';
import type { NewMachine } from './new-machine.ts';
import { askDiskFile, defaultHardware, freeName, newMachineSteps, tellCreated } from './new-machine.ts';

/** Adds a machine on top of an existing disk, which is read and never written. */
export const addMachine: CommandHandler = async (context) => {
  const disk = await askDiskFile(vscode.l10n.t('Add Machine'));
  if (disk === undefined) {
    return undefined;
  }
  const draft: NewMachine = {
    name: freeName(context.machines.machines, machineNameFromFile(path.basename(disk))),
    ...defaultHardware,
  };
  const answered = await askSteps(vscode.l10n.t('Add Machine from Existing Disk'), newMachineSteps(context, draft));
  return answered ? add(context, disk, draft) : undefined;
};

function add(context: CheckpointsContext, disk: string, draft: NewMachine, format?: 'raw'): Promise<unknown> {
  return perform(context, {
    name: 'addMachine',
    params: { ...draft, disk, ...(format === undefined ? {} : { format }) },
    title: vscode.l10n.t('Adding “{0}”…', draft.name),
    done: ({ machine }) => tellCreated(machine, undefined),
    ...(format === 'raw' ? {} : { waysOut: { rawDisk: () => add(context, disk, draft, 'raw') } }),
  });
}
