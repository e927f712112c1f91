/** Shows some of the machines only, and all of them again. */
import * as vscode from 'vscode';
import { askSteps, pickManyStep, textStep } from '../../input/steps.ts';
import { noFilter, shownState, shownStates, type ShownState } from '../../machines/arrangement.ts';
import { shownStateText } from '../../machines/descriptions.ts';
import type { CommandHandler } from '../command.ts';

export const filter: CommandHandler = async ({ machines, shown }) => {
  const present = shown.filter;
  let states: readonly ShownState[] = present.states;
  let { name } = present;
  const count = (state: ShownState): number => machines.machines.filter((one) => shownState(one) === state).length;
  const wasAnswered = await askSteps(vscode.l10n.t('Filter Machines'), [
    (position) =>
      pickManyStep(
        position,
        {
          placeholder: vscode.l10n.t('Show machines in which states? None: in any.'),
          items: shownStates.map((state) => ({
            label: shownStateText(state),
            description: String(count(state)),
            picked: states.includes(state),
            state,
          })),
        },
        (picked) => (states = picked.map(({ state }) => state)),
      ),
    (position) =>
      textStep(
        position,
        { prompt: vscode.l10n.t('Part of the name. Empty: any name.'), value: name, problem: () => undefined },
        (value) => (name = value),
      ),
  ]);
  return wasAnswered ? shown.setFilter({ states, name }) : undefined;
};

export const clearFilter: CommandHandler = ({ shown }) => shown.setFilter(noFilter);
