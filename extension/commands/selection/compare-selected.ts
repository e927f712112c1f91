import * as vscode from 'vscode';
import { compareCheckpoints } from '../../operations/compare-checkpoints.ts';
import type { CommandHandler } from '../command.ts';
import { chosenCheckpoints } from './chosen.ts';
import { tellNone } from './delete-selected.ts';

/** Shows in what two checkpoints of one machine differ. */
export const compareSelected: CommandHandler = async (context) => {
  const chosen = chosenCheckpoints(context);
  const [only, ...others] = chosen;
  if (only === undefined) {
    tellNone();
    return undefined;
  }
  const { machine } = only;
  const [checkpoint, other, ...more] = only.checkpoints;
  if (other === undefined || more.length > 0 || others.length > 0) {
    void vscode.window.showInformationMessage(
      vscode.l10n.t('Two checkpoints of one machine can be compared. Select exactly two.'),
    );
    return undefined;
  }
  return compareCheckpoints(context, machine, checkpoint, other);
};
