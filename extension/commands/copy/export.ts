import * as vscode from 'vscode';
import type { DiskFormatName } from '../../../engine/protocol/disks.ts';
import type { Params } from '../../../engine/protocol/operations.ts';
import type { CheckpointsContext } from '../../context.ts';
import { askNewFolder } from '../../input/new-folder.ts';
import { machineNameFrom } from '../../naming/names.ts';
import { perform } from '../../operations/perform.ts';
import { formatSize } from '../../presentation/size.ts';
import type { CommandHandler } from '../command.ts';
import { askCheckpoint, askMachine } from '../target.ts';

/** Copies a machine with its whole tree into a new folder. */
export const exportMachine: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'exportMachine', vscode.l10n.t('Export which machine?'));
  const target = machine && (await askNewFolder(vscode.l10n.t('Export “{0}”', machine.name), machine.name));
  return machine === undefined || target === undefined
    ? undefined
    : carryOut(context, { machine: machine.name, target }, vscode.l10n.t('Exporting “{0}”…', machine.name));
};

/** Writes the disks of a checkpoint, one image each, for any other program. */
export const exportCheckpoint: CommandHandler = async (context, argument) => {
  const chosen = await askCheckpoint(context, argument, 'exportCheckpoint', {
    machine: vscode.l10n.t('Export the disks of a checkpoint of which machine?'),
    checkpoint: vscode.l10n.t('Export the disks of which checkpoint?'),
  });
  if (chosen === undefined) {
    return undefined;
  }
  const { machine, checkpoint } = chosen;
  const title = vscode.l10n.t('Export Disks of “{0}”', checkpoint.name);
  const format = await vscode.window.showQuickPick(formats(), {
    title,
    placeHolder: vscode.l10n.t('In which format?'),
    matchOnDescription: true,
  });
  const target = format && (await askNewFolder(title, machineNameFrom(`${machine.name} ${checkpoint.name}`)));
  return format === undefined || target === undefined
    ? undefined
    : carryOut(
        context,
        { machine: machine.name, checkpoint: checkpoint.id, target, to: format.format },
        vscode.l10n.t('Exporting the disks of “{0}”…', checkpoint.name),
      );
};

function carryOut(context: CheckpointsContext, params: Params<'export'>, title: string): Promise<unknown> {
  return perform(context, {
    name: 'export',
    params,
    title,
    done: ({ folder, sizeBytes }) => {
      const copyPath = vscode.l10n.t('Copy Path');
      void vscode.window
        .showInformationMessage(vscode.l10n.t('Exported {0} to {1}.', formatSize(sizeBytes), folder), copyPath)
        .then((choice) => (choice === copyPath ? vscode.env.clipboard.writeText(folder) : undefined));
    },
  });
}

function formats(): (vscode.QuickPickItem & { format: DiskFormatName })[] {
  return [
    { label: 'qcow2', description: vscode.l10n.t('QEMU, libvirt, Proxmox'), format: 'qcow2' },
    { label: 'VHDX', description: vscode.l10n.t('Hyper-V'), format: 'vhdx' },
    { label: 'VHD', description: vscode.l10n.t('Azure, older Hyper-V, VirtualBox'), format: 'vhd' },
    { label: 'VMDK', description: vscode.l10n.t('VMware, VirtualBox'), format: 'vmdk' },
    { label: 'raw', description: vscode.l10n.t('every program'), format: 'raw' },
  ];
}
