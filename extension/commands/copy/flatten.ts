import * as vscode from 'vscode';
import { perform } from '../../operations/perform.ts';
import { agreesToPlan } from '../../operations/plan-question.ts';
import { formatSize } from '../../presentation/size.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

/** Copies in what a machine stands on outside of its folder, so that it needs nothing else. */
export const flatten: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'flatten', vscode.l10n.t('Make which machine independent?'));
  if (machine === undefined) {
    return undefined;
  }
  const agreed = await agreesToPlan(context, {
    operation: 'flatten',
    params: { machine: machine.name },
    question: vscode.l10n.t('Make “{0}” independent?', machine.name),
    introduction: vscode.l10n.t(
      'What it stands on outside of its folder, such as the disks of the machine that it was cloned from, is copied into it. Its checkpoints stay.',
    ),
    button: vscode.l10n.t('Flatten'),
  });
  return agreed
    ? perform(context, {
        name: 'flatten',
        params: { machine: machine.name },
        title: vscode.l10n.t('Flattening “{0}”…', machine.name),
        done: ({ copiedBytes }) => {
          void vscode.window.showInformationMessage(
            copiedBytes === 0
              ? vscode.l10n.t('“{0}” needed nothing outside of its folder already.', machine.name)
              : vscode.l10n.t('“{0}” now stands alone; {1} copied.', machine.name, formatSize(copiedBytes)),
          );
        },
      })
    : undefined;
};
