import path from 'node:path';
import * as vscode from 'vscode';
import type { ImageInfo } from '../../../engine/protocol/machines.ts';
import type { Params } from '../../../engine/protocol/operations.ts';
import type { CheckpointsContext } from '../../context.ts';
import type { Step } from '../../input/steps.ts';
import { askSteps, pickStep } from '../../input/steps.ts';
import { machineNameFromFile } from '../../naming/names.ts';
import { perform } from '../../operations/perform.ts';
import type { CommandHandler } from '../command.ts';
import type { NewMachine } from './new-machine.ts';
import { askDiskFile, defaultHardware, freeName, newMachineSteps, tellCreated } from './new-machine.ts';

interface SourceItem extends vscode.QuickPickItem {
  /** Absent for "a disk file". */
  image?: ImageInfo;
}

interface Draft extends NewMachine {
  image?: ImageInfo;
  disk?: string;
}

/** Creates a machine from a catalogue image or from a copy of a disk. */
export const createMachine: CommandHandler = async (context) => {
  const { images } = await context.engine.request('images', {});
  const draft: Draft = { name: '', ...defaultHardware };
  const answered = await askSteps(vscode.l10n.t('Create Machine'), [
    sourceStep(context, images, draft),
    ...newMachineSteps(context, draft),
  ]);
  return answered ? create(context, draft) : undefined;
};

function sourceStep(context: CheckpointsContext, images: readonly ImageInfo[], draft: Draft): Step {
  const items: SourceItem[] = [
    ...images.map((image) => ({
      label: image.name,
      description: image.installed ? vscode.l10n.t('installed') : vscode.l10n.t('downloaded on first use'),
      detail: image.description,
      iconPath: new vscode.ThemeIcon(image.installed ? 'package' : 'cloud-download'),
      image,
    })),
    {
      label: vscode.l10n.t('A disk file…'),
      detail: vscode.l10n.t('The machine gets a copy of it'),
      iconPath: new vscode.ThemeIcon('folder-opened'),
    },
  ];
  return async (position) => {
    let picked: SourceItem | undefined;
    const end = await pickStep(
      position,
      { placeholder: vscode.l10n.t('What should the machine start from?'), items },
      (item) => {
        picked = item;
      },
    );
    if (end !== 'next' || picked === undefined) {
      return end;
    }
    delete draft.image;
    delete draft.disk;
    const { machines } = context.machines;
    if (picked.image !== undefined) {
      const { name, memoryMiB, cpus } = picked.image;
      Object.assign(draft, { image: picked.image, name: freeName(machines, name), memoryMiB, cpus });
      return 'next';
    }
    const disk = await askDiskFile(vscode.l10n.t('Copy Disk'));
    if (disk === undefined) {
      return 'cancel';
    }
    Object.assign(draft, {
      disk,
      name: freeName(machines, machineNameFromFile(path.basename(disk))),
      ...defaultHardware,
    });
    return 'next';
  };
}

function create(context: CheckpointsContext, draft: Draft, format?: 'raw'): Promise<unknown> {
  const { name, memoryMiB, cpus, image, disk } = draft;
  const params: Params<'createMachine'> = {
    name,
    memoryMiB,
    cpus,
    ...(image === undefined ? {} : { image: image.name }),
    ...(disk === undefined ? {} : { disk }),
    ...(format === undefined ? {} : { format }),
  };
  return perform(context, {
    name: 'createMachine',
    params,
    title: vscode.l10n.t('Creating “{0}”…', name),
    done: ({ machine }) => tellCreated(machine, image?.login),
    ...(disk === undefined || format === 'raw' ? {} : { waysOut: { rawDisk: () => create(context, draft, 'raw') } }),
  });
}
