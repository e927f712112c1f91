/** Looks machines over, tells in a document what was found, and repairs with consent. */
import * as vscode from 'vscode';
import type { Result } from '../../../engine/protocol/operations.ts';
import type { CheckpointsContext } from '../../context.ts';
import { perform } from '../../operations/perform.ts';
import { doctorReport } from '../../report/doctor-report.ts';
import type { CommandHandler } from '../command.ts';
import { askMachineOrAll } from '../target.ts';

interface Scope {
  /** Absent for all machines. */
  machine?: string;
  deep?: boolean;
}

export const doctor: CommandHandler = async (context, argument) => {
  const chosen = await askMachineOrAll(context, argument, vscode.l10n.t('Check which machine?'));
  if (chosen === undefined) {
    return undefined;
  }
  const depth = await vscode.window.showQuickPick(
    [
      {
        label: vscode.l10n.t('Quick'),
        detail: vscode.l10n.t('Records, chains, sizes and times of every layer'),
        deep: false,
      },
      {
        label: vscode.l10n.t('Thorough'),
        detail: vscode.l10n.t('Reads the whole content of every frozen layer as well, which takes time'),
        deep: true,
      },
    ],
    { title: vscode.l10n.t('Check for Problems'), placeHolder: vscode.l10n.t('How thoroughly?') },
  );
  return depth && examine(context, { ...chosen, ...(depth.deep ? { deep: true } : {}) });
};

async function examine(
  context: CheckpointsContext,
  scope: Scope,
  consent: { repair?: true; acceptChanged?: true } = {},
): Promise<unknown> {
  const result = await perform(context, {
    name: 'doctor',
    params: { ...scope, ...consent },
    title:
      consent.repair === undefined
        ? vscode.l10n.t('Checking for problems…')
        : vscode.l10n.t('Repairing what was found…'),
  });
  if (result !== undefined) {
    context.faults.take(result, scope.deep === true);
    await tell(context, scope, result);
  }
  return result;
}

async function tell(context: CheckpointsContext, scope: Scope, result: Result<'doctor'>): Promise<void> {
  const findings = [...result.machines.flatMap((one) => one.findings), ...result.home];
  if (findings.length === 0) {
    void vscode.window.showInformationMessage(
      scope.machine === undefined
        ? vscode.l10n.t('Nothing is wrong with any machine.')
        : vscode.l10n.t('Nothing is wrong with “{0}”.', scope.machine),
    );
    return;
  }
  await context.reports.show(vscode.l10n.t('Problems'), doctorReport(result));
  const open = findings.filter(({ isRepaired, severity }) => !isRepaired && severity !== 'info');
  if (open.length === 0) {
    void vscode.window.showInformationMessage(vscode.l10n.t('Nothing is wrong any more. The report tells the rest.'));
    return;
  }
  const repair = vscode.l10n.t('Repair…');
  const accept = vscode.l10n.t('Accept Changes…');
  const buttons = [
    ...(open.some(({ code }) => code !== 'changed') ? [repair] : []),
    ...(open.some(({ code }) => code === 'changed') ? [accept] : []),
  ];
  void vscode.window
    .showWarningMessage(
      open.length === 1
        ? vscode.l10n.t('1 problem was found. The report tells what it is.')
        : vscode.l10n.t('{0} problems were found. The report tells what they are.', open.length),
      ...buttons,
    )
    .then(async (choice) => {
      if (choice === repair && (await agreed(repairQuestion()))) {
        await examine(context, scope, { repair: true });
      } else if (choice === accept && (await agreed(acceptQuestion()))) {
        await examine(context, scope, { repair: true, acceptChanged: true });
      }
    });
}

interface Question {
  message: string;
  detail: string;
  button: string;
}

function repairQuestion(): Question {
  return {
    message: vscode.l10n.t('Repair what can be repaired?'),
    detail: vscode.l10n.t(
      'Only what can be mended without losing anything is. Files that nothing names are moved to “lost+found” beside the machines, never deleted.',
    ),
    button: vscode.l10n.t('Repair'),
  };
}

function acceptQuestion(): Question {
  return {
    message: vscode.l10n.t('Take the changed layers as they are?'),
    detail: vscode.l10n.t(
      'Another program wrote to them, so the checkpoints that stand on them are not what they were when they were taken. Do this only when you know what changed them. Layers whose chains do not verify stay refused.',
    ),
    button: vscode.l10n.t('Accept Changes'),
  };
}

async function agreed({ message, detail, button }: Question): Promise<boolean> {
  return (await vscode.window.showWarningMessage(message, { modal: true, detail }, button)) === button;
}
