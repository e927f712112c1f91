/** Saves a machine's memory and turns it off; the next start resumes it. What was saved is given up only when the user says so. */
import * as vscode from 'vscode';
import { agreesToDisconnect } from '../../operations/own-connection.ts';
import { perform } from '../../operations/perform.ts';
import { formatSize } from '../../presentation/size.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const saveState: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'saveState', vscode.l10n.t('Save the state of which machine?'));
  return (
    machine &&
    (await agreesToDisconnect(
      machine,
      vscode.l10n.t('Save “{0}” and turn it off?', machine.name),
      vscode.l10n.t('Save Machine State'),
    )) &&
    perform(context, {
      name: 'saveState',
      params: { machine: machine.name },
      title: vscode.l10n.t('Saving “{0}”…', machine.name),
    })
  );
};

export const discardState: CommandHandler = async (context, argument) => {
  const machine = await askMachine(
    context,
    argument,
    'discardState',
    vscode.l10n.t('Discard the saved state of which machine?'),
  );
  if (machine === undefined) {
    return undefined;
  }
  const discard = vscode.l10n.t('Discard Saved State');
  const choice = await vscode.window.showWarningMessage(
    vscode.l10n.t('Discard the saved state of “{0}”?', machine.name),
    {
      modal: true,
      detail: vscode.l10n.t(
        'Its saved memory ({0}) is deleted, and everything in it that is not on its disks is lost. The next start boots it from its disks, as after a power failure.',
        formatSize(machine.now.savedMemoryBytes ?? 0),
      ),
    },
    discard,
  );
  return choice === discard
    ? perform(context, {
        name: 'discardState',
        params: { machine: machine.name },
        title: vscode.l10n.t('Discarding the saved state of “{0}”…', machine.name),
      })
    : undefined;
};
