import * as vscode from 'vscode';
import { ProblemNode } from '../../tree/problem-node.ts';
import type { CommandHandler } from '../command.ts';

/** Shows the whole sentence of a problem in the tree, or of the first host that is not available. */
export const showProblem: CommandHandler = ({ machines }, argument) => {
  const problem =
    argument instanceof ProblemNode
      ? argument.problem
      : machines.hosts?.find((host) => host.problem !== undefined)?.problem;
  void vscode.window.showWarningMessage(problem ?? vscode.l10n.t('There is no problem with any host.'));
};
