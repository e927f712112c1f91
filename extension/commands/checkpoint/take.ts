import * as vscode from 'vscode';
import { gitHead } from '../../git-head.ts';
import { sayingsInWords } from '../../engine/saying-in-words.ts';
import { nameProblemText } from '../../naming/name-input.ts';
import { checkpointNameProblem, defaultCheckpointName } from '../../naming/names.ts';
import { perform } from '../../operations/perform.ts';
import { readCheckpointKind } from '../../settings.ts';
import { formatDuration } from '../../presentation/duration.ts';
import type { CommandHandler } from '../command.ts';
import { askMachine } from '../target.ts';

export const take: CommandHandler = async (context, argument) => {
  const machine = await askMachine(context, argument, 'take', vscode.l10n.t('Take a checkpoint of which machine?'));
  if (machine === undefined) {
    return undefined;
  }
  const name = givenName(argument) ?? (await askName(machine.name));
  if (name === undefined) {
    return undefined;
  }
  const git = gitHead();
  return perform(context, {
    name: 'take',
    params: {
      machine: machine.name,
      name,
      kind: readCheckpointKind(),
      createdBy: 'person',
      ...(git === undefined ? {} : { git }),
    },
    title: vscode.l10n.t('Taking checkpoint “{0}” of “{1}”…', name, machine.name),
    done: ({ checkpoint, totalMs, problem, problemSentences }) => {
      const total = formatDuration(totalMs);
      if (problem !== undefined) {
        void vscode.window.showWarningMessage(
          vscode.l10n.t(
            'Took checkpoint “{0}” of “{1}”. {2}',
            checkpoint.name,
            machine.name,
            sayingsInWords(problemSentences, problem, vscode.l10n),
          ),
        );
        return;
      }
      void vscode.window.showInformationMessage(
        checkpoint.pauseMs === undefined
          ? vscode.l10n.t('Took checkpoint “{0}” of “{1}”. ({2})', checkpoint.name, machine.name, total)
          : vscode.l10n.t(
              'Took checkpoint “{0}” of “{1}”. ({2}; the machine stood still for {3})',
              checkpoint.name,
              machine.name,
              total,
              formatDuration(checkpoint.pauseMs),
            ),
      );
    },
  });
};

async function askName(machine: string): Promise<string | undefined> {
  const name = await vscode.window.showInputBox({
    title: vscode.l10n.t('Take Checkpoint of “{0}”', machine),
    prompt: vscode.l10n.t('Name of the checkpoint'),
    value: defaultCheckpointName(new Date()),
    validateInput: (value) => nameProblemText(checkpointNameProblem(value)),
  });
  return name?.trim();
}

/** A keybinding may name the checkpoint in its arguments. */
function givenName(argument: unknown): string | undefined {
  return typeof argument === 'object' && argument !== null && 'name' in argument && typeof argument.name === 'string'
    ? argument.name
    : undefined;
}
