/** What a person adds to a checkpoint: notes, a pin, a colour. */
import * as vscode from 'vscode';
import type { Colour } from '../../../engine/protocol/machines.ts';
import type { Params, Result } from '../../../engine/protocol/operations.ts';
import type { CheckpointsContext } from '../../context.ts';
import { colourText } from '../../machines/descriptions.ts';
import type { MachineAndCheckpoint } from '../../machines/machine-and-checkpoint.ts';
import { perform } from '../../operations/perform.ts';
import type { CommandHandler } from '../command.ts';
import { askCheckpoint } from '../target.ts';

export const editNotes: CommandHandler = async (context, argument) => {
  const target = await ask(context, argument);
  const notes =
    target &&
    (await vscode.window.showInputBox({
      title: vscode.l10n.t('Notes of “{0}”', target.checkpoint.name),
      prompt: vscode.l10n.t('Shown when you point at the checkpoint; empty for none'),
      value: target.checkpoint.notes ?? '',
    }));
  return target && notes !== undefined ? annotate(context, target, { notes: notes.trim() }) : undefined;
};

export const pin: CommandHandler = async (context, argument) => {
  const target = await ask(context, argument);
  return target && annotate(context, target, { pinned: true });
};

export const unpin: CommandHandler = async (context, argument) => {
  const target = await ask(context, argument);
  return target && annotate(context, target, { pinned: false });
};

const colours: readonly Colour[] = ['red', 'orange', 'yellow', 'green', 'blue', 'purple'];

export const setColour: CommandHandler = async (context, argument) => {
  const target = await ask(context, argument);
  if (target === undefined) {
    return undefined;
  }
  const picked = await vscode.window.showQuickPick<vscode.QuickPickItem & { colour: Colour | 'none' }>(
    [
      ...colours.map((colour) => ({
        label: colourText(colour),
        iconPath: new vscode.ThemeIcon('circle-filled', new vscode.ThemeColor(`charts.${colour}`)),
        colour,
      })),
      { label: vscode.l10n.t('No colour'), iconPath: new vscode.ThemeIcon('circle-slash'), colour: 'none' },
    ],
    { placeHolder: vscode.l10n.t('Colour of “{0}”', target.checkpoint.name) },
  );
  return picked && annotate(context, target, { colour: picked.colour });
};

function ask(context: CheckpointsContext, argument: unknown): Promise<MachineAndCheckpoint | undefined> {
  return askCheckpoint(context, argument, 'annotate', {
    machine: vscode.l10n.t('A checkpoint of which machine?'),
    checkpoint: vscode.l10n.t('Which checkpoint?'),
  });
}

function annotate(
  context: CheckpointsContext,
  { machine, checkpoint }: MachineAndCheckpoint,
  change: Pick<Params<'annotate'>, 'notes' | 'pinned' | 'colour'>,
): Promise<Result<'annotate'> | undefined> {
  return perform(context, {
    name: 'annotate',
    params: { machine: machine.name, checkpoint: checkpoint.id, ...change },
    title: vscode.l10n.t('Annotating checkpoint “{0}”…', checkpoint.name),
  });
}
