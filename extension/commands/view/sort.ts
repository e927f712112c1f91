import * as vscode from 'vscode';
import { machineOrders, type MachineOrder } from '../../machines/arrangement.ts';
import type { CommandHandler } from '../command.ts';

/** Chooses the order of the machines in the tree. */
export const sort: CommandHandler = async ({ shown }) => {
  const picked = await vscode.window.showQuickPick(
    machineOrders.map((order) => ({
      ...orderText(order),
      ...(order === shown.order ? { description: vscode.l10n.t('as now') } : {}),
      order,
    })),
    { placeHolder: vscode.l10n.t('Sort the machines of each host how?') },
  );
  return picked && shown.setOrder(picked.order);
};

function orderText(order: MachineOrder): Pick<vscode.QuickPickItem, 'label' | 'detail'> {
  switch (order) {
    case 'name':
      return { label: vscode.l10n.t('By name') };
    case 'state':
      return { label: vscode.l10n.t('By state'), detail: vscode.l10n.t('Those that run come first') };
    case 'lastUsed':
      return {
        label: vscode.l10n.t('Last used first'),
        detail: vscode.l10n.t('Those that run, then by when a checkpoint was last taken, applied or deleted'),
      };
  }
}
