/** Space at once: what is kept only in case goes for good, after a question that names it. */
import * as vscode from 'vscode';
import type { FreedMachine } from '../../../engine/protocol/space.ts';
import type { CheckpointsContext } from '../../context.ts';
import { failureInWords } from '../../engine/error-in-words.ts';
import { perform } from '../../operations/perform.ts';
import { formatSize } from '../../presentation/size.ts';
import type { CommandHandler } from '../command.ts';
import { askMachineOrAll } from '../target.ts';

export const freeSpace: CommandHandler = async (context, argument) => {
  const scope = await askMachineOrAll(context, argument, vscode.l10n.t('Free space on which machine?'));
  return scope && askAndFree(context, scope);
};

async function askAndFree(context: CheckpointsContext, scope: { machine?: string }): Promise<unknown> {
  const plan = await perform(context, {
    name: 'freeSpace',
    params: { ...scope, dryRun: true },
    title: vscode.l10n.t('Finding out what can go…'),
  });
  if (plan === undefined) {
    return undefined;
  }
  if (plan.machines.length === 0) {
    void vscode.window.showInformationMessage(
      vscode.l10n.t('Nothing can go at once: the trash is empty, and no apply or undo kept anything.'),
    );
    return plan;
  }
  const button = vscode.l10n.t('Free Space');
  const choice = await vscode.window.showWarningMessage(
    vscode.l10n.t('Free at least {0}?', formatSize(plan.freedBytes)),
    {
      modal: true,
      detail: vscode.l10n.t(
        'These go for good, which cannot be undone:\n{0}\n\nNow and all other checkpoints stay as they are.',
        plan.machines.map((machine) => goingText(machine)).join('\n'),
      ),
    },
    button,
  );
  return choice === button ? carryOut(context, scope) : undefined;
}

function carryOut(context: CheckpointsContext, scope: { machine?: string }): Promise<unknown> {
  return perform(context, {
    name: 'freeSpace',
    params: scope,
    title: vscode.l10n.t('Freeing space…'),
    done: ({ freedBytes, failed }) => {
      const [first] = failed;
      if (first === undefined) {
        void vscode.window.showInformationMessage(vscode.l10n.t('{0} freed.', formatSize(freedBytes)));
      } else {
        void vscode.window.showWarningMessage(
          vscode.l10n.t(
            '{0} freed. On “{1}” it failed: {2}',
            formatSize(freedBytes),
            first.machine,
            failureInWords(first),
          ),
        );
      }
    },
  });
}

/** Such as `“lab”: the trash (“a”, “b”); kept by apply and undo: “Before applying …”`. */
function goingText({ machine, trash, kept }: FreedMachine): string {
  const names = (list: readonly string[]): string => list.map((name) => `“${name}”`).join(', ');
  const parts = [
    ...(trash.length === 0 ? [] : [vscode.l10n.t('in the trash {0}', names(trash))]),
    ...(kept.length === 0 ? [] : [vscode.l10n.t('kept by apply and undo {0}', names(kept))]),
  ];
  return vscode.l10n.t('“{0}”: {1}', machine, parts.join('; '));
}
