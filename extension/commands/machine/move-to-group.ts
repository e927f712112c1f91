/** Puts machines into a group of machines, or takes them out of theirs. */
import * as vscode from 'vscode';
import type { MachineInfo } from '../../../engine/protocol/machines.ts';
import type { CheckpointsContext } from '../../context.ts';
import { countMachines } from '../../machines/descriptions.ts';
import { obstacle } from '../../machines/possible.ts';
import { nameProblemText } from '../../naming/name-input.ts';
import { checkpointNameProblem } from '../../naming/names.ts';
import { perform } from '../../operations/perform.ts';
import { MachineNode } from '../../tree/machine-node.ts';
import type { CommandHandler } from '../command.ts';
import { severalRows } from '../selection/chosen.ts';
import { askMachine } from '../target.ts';

export const moveToGroup: CommandHandler = async (context, argument, selected) => {
  const dropped = droppedOf(context, argument);
  if (dropped !== undefined) {
    return move(context, dropped.machines, dropped.group);
  }
  const machines = await askMachines(context, argument, selected);
  const group = machines.length === 0 ? undefined : await askGroup(context, machines);
  return group === undefined ? undefined : move(context, machines, group);
};

/** What was dragged, and onto which group: empty for none. */
function droppedOf(
  { machines }: CheckpointsContext,
  argument: unknown,
): { machines: MachineInfo[]; group: string } | undefined {
  if (typeof argument !== 'object' || argument === null || !('machines' in argument) || !('group' in argument)) {
    return undefined;
  }
  const { machines: ids, group } = argument;
  return Array.isArray(ids) && typeof group === 'string'
    ? { machines: machines.machines.filter(({ id }) => ids.includes(id)), group }
    : undefined;
}

async function askMachines(context: CheckpointsContext, argument: unknown, selected: unknown): Promise<MachineInfo[]> {
  const rows = severalRows(context, argument, selected);
  if (rows !== undefined) {
    return rows.flatMap((row) => (row instanceof MachineNode ? [row.machine] : []));
  }
  const machine = await askMachine(context, argument, 'setGroup', vscode.l10n.t('Move which machine to a group?'));
  return machine === undefined ? [] : [machine];
}

/** @returns the name of a group, empty for none; undefined when the user dismissed the question */
async function askGroup(
  { machines: { machines: all } }: CheckpointsContext,
  machines: readonly MachineInfo[],
): Promise<string | undefined> {
  const hosts = new Set(machines.map(({ host }) => host));
  const known = new Set(all.flatMap(({ host, group }) => (group !== undefined && hosts.has(host) ? [group] : [])));
  const picked = await vscode.window.showQuickPick(
    [
      ...[...known].toSorted().map((group) => ({ label: group, iconPath: new vscode.ThemeIcon('folder'), group })),
      {
        label: vscode.l10n.t('New Group…'),
        iconPath: new vscode.ThemeIcon('new-folder'),
        group: undefined,
      },
      ...(machines.some(({ group }) => group !== undefined)
        ? [{ label: vscode.l10n.t('No Group'), iconPath: new vscode.ThemeIcon('close'), group: '' }]
        : []),
    ],
    { placeHolder: vscode.l10n.t('Move {0} to which group?', namesOf(machines)) },
  );
  return picked === undefined || picked.group !== undefined ? picked?.group : askNewGroup();
}

async function askNewGroup(): Promise<string | undefined> {
  const name = await vscode.window.showInputBox({
    title: vscode.l10n.t('New Group of Machines'),
    prompt: vscode.l10n.t('Name of the group'),
    validateInput: (value) => nameProblemText(checkpointNameProblem(value)),
  });
  return name?.trim();
}

async function move(context: CheckpointsContext, machines: readonly MachineInfo[], group: string): Promise<number> {
  let moved = 0;
  for (const machine of machines) {
    if ((machine.group ?? '') === group || obstacle('setGroup', machine) !== undefined) {
      continue;
    }
    const result = await perform(context, {
      name: 'setGroup',
      params: { machine: machine.name, group },
      title: vscode.l10n.t('Moving “{0}” to another group…', machine.name),
    });
    moved += result === undefined ? 0 : 1;
  }
  if (moved > 0) {
    vscode.window.setStatusBarMessage(
      group === ''
        ? vscode.l10n.t('Moved out of the group: {0}.', countMachines(moved))
        : vscode.l10n.t('Moved to group “{0}”: {1}.', group, countMachines(moved)),
      10_000,
    );
  }
  return moved;
}

function namesOf(machines: readonly MachineInfo[]): string {
  return machines.map(({ name }) => `“${name}”`).join(', ');
}
