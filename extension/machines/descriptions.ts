/** Short descriptions of machines and checkpoints, the same in the tree and in the lists to choose from. */
import * as vscode from 'vscode';
import type { GroupInfo } from '../../engine/protocol/groups.ts';
import type {
  CheckpointInfo,
  Colour,
  Consistency,
  CreatedBy,
  MachineInfo,
  MachineState,
  MemoryMethod,
} from '../../engine/protocol/machines.ts';
import { age, expiry } from '../presentation/age.ts';
import { shownState, type MachineFilter, type ShownState } from './arrangement.ts';

export function stateText(state: MachineState): string {
  switch (state) {
    case 'running':
      return vscode.l10n.t('running');
    case 'paused':
      return vscode.l10n.t('paused');
    case 'stopped':
      return vscode.l10n.t('stopped');
    case 'saved':
      return vscode.l10n.t('saved');
    case 'damaged':
      return vscode.l10n.t('damaged');
    case 'unreachable':
      return vscode.l10n.t('not reachable');
  }
}

export function shownStateText(state: ShownState): string {
  return state === 'disks' ? vscode.l10n.t('disk images') : stateText(state);
}

/** Such as `running` or `stopped · ended unexpectedly`. */
export function describeMachine(machine: MachineInfo): string {
  const state = shownStateText(shownState(machine));
  if (machine.busy !== undefined) {
    return vscode.l10n.t('{0} · busy: {1}', state, machine.busy.operation);
  }
  if (machine.hasPanicked === true) {
    return vscode.l10n.t('{0} · kernel panic', state);
  }
  return machine.state === 'stopped' && machine.problem !== undefined
    ? vscode.l10n.t('{0} · ended unexpectedly', state)
    : state;
}

/** Such as `5 min ago · with memory · expires in 23 h`. */
export function describeCheckpoint(checkpoint: CheckpointInfo): string {
  return [
    age(checkpoint.created),
    ...(checkpoint.hasMemory ? [vscode.l10n.t('with memory')] : []),
    ...(checkpoint.expires === undefined ? [] : [expiry(checkpoint.expires)]),
    ...(checkpoint.pinned === true ? [vscode.l10n.t('pinned')] : []),
    ...(checkpoint.colour === undefined ? [] : [colourText(checkpoint.colour)]),
  ].join(' · ');
}

/** The same as a sentence, for dialogs. */
export function checkpointSentence({ created, hasMemory }: CheckpointInfo): string {
  return hasMemory
    ? vscode.l10n.t('The checkpoint was taken {0}, with memory.', age(created))
    : vscode.l10n.t('The checkpoint was taken {0}, without memory.', age(created));
}

/** Such as `running or paused, named “web”`. */
export function filterText({ states, name }: MachineFilter): string {
  return [
    ...(states.length === 0
      ? []
      : [new Intl.ListFormat(vscode.env.language, { type: 'disjunction' }).format(states.map(shownStateText))]),
    ...(name === '' ? [] : [vscode.l10n.t('name with “{0}”', name)]),
  ].join(', ');
}

export function countCheckpoints(count: number): string {
  return count === 1 ? vscode.l10n.t('1 checkpoint') : vscode.l10n.t('{0} checkpoints', count);
}

export function countMachines(count: number): string {
  return count === 1 ? vscode.l10n.t('1 machine') : vscode.l10n.t('{0} machines', count);
}

export function colourText(colour: Colour): string {
  switch (colour) {
    case 'red':
      return vscode.l10n.t('red');
    case 'orange':
      return vscode.l10n.t('orange');
    case 'yellow':
      return vscode.l10n.t('yellow');
    case 'green':
      return vscode.l10n.t('green');
    case 'blue':
      return vscode.l10n.t('blue');
    case 'purple':
      return vscode.l10n.t('purple');
  }
}

export function consistencyText(consistency: Consistency): string {
  switch (consistency) {
    case 'application':
      return vscode.l10n.t('application-consistent');
    case 'file-system':
      return vscode.l10n.t('file-system-consistent');
    case 'crash':
      return vscode.l10n.t('crash-consistent');
    case 'offline':
      return vscode.l10n.t('taken while stopped');
  }
}

/** What was achieved for each machine of a group: `“web” (with memory), “database” (file-system-consistent)`. */
export function achievedTexts({ members }: Pick<GroupInfo, 'members'>): string {
  return members
    .map(({ machine, checkpoint: { hasMemory, consistency } }) => {
      const achieved = hasMemory ? vscode.l10n.t('with memory') : consistencyText(consistency);
      return `“${machine}” (${achieved})`;
    })
    .join(', ');
}

export function memoryMethodText(method: MemoryMethod): string {
  switch (method) {
    case 'background-snapshot':
      return vscode.l10n.t('while the machine ran on');
    case 'pause-before-switchover':
      return vscode.l10n.t('while the machine ran on, but for the last of it');
    case 'stopped':
      return vscode.l10n.t('while the machine stood still');
  }
}

/** What of a machine's firmware every checkpoint keeps; `undefined` where there is nothing to keep. */
export function firmwareText({ firmware, tpm }: MachineInfo): string | undefined {
  const kept = [
    ...(firmware === 'uefi' ? [vscode.l10n.t('UEFI, with its variables')] : []),
    ...(tpm === true ? [vscode.l10n.t('TPM 2.0, with its state')] : []),
  ];
  return kept.length === 0 ? undefined : kept.join(', ');
}

export function createdByText(createdBy: CreatedBy): string {
  switch (createdBy) {
    case 'person':
      return vscode.l10n.t('by a person');
    case 'task':
      return vscode.l10n.t('before a task');
    case 'debug':
      return vscode.l10n.t('before a debug session');
    case 'agent':
      return vscode.l10n.t('by an agent');
    case 'guard':
      return vscode.l10n.t('by a guard');
    case 'apply':
      return vscode.l10n.t('what Now was before an apply');
    case 'undo':
      return vscode.l10n.t('what Now was before an undo');
    case 'redo':
      return vscode.l10n.t('what Now was before a redo');
  }
}
