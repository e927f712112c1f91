import * as vscode from 'vscode';
import { perform } from '../../operations/perform.ts';
import { spaceReport } from '../../report/space-report.ts';
import { referenceOf } from '../target.ts';
import type { CommandHandler } from '../command.ts';

/** What machines and checkpoints take on the disk: of one machine from its item, of all from the palette. */
export const showSpace: CommandHandler = async (context, argument) => {
  const { machine } = referenceOf(context, argument);
  const space = await perform(context, {
    name: 'space',
    params: machine === undefined ? {} : { machine },
    title: vscode.l10n.t('Measuring space…'),
  });
  if (space !== undefined) {
    await context.reports.show(vscode.l10n.t('Space'), spaceReport(space));
  }
  return space;
};
