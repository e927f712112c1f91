/** Which machines the tree shows, and in which order. */
import type { MachineInfo, MachineState } from '../../engine/protocol/machines.ts';

/** A state as it is shown: machines of plain disk images have no other. */
export type ShownState = MachineState | 'disks';

/** In the order in which machines are sorted by state. */
export const shownStates = [
  'running',
  'paused',
  'saved',
  'stopped',
  'disks',
  'unreachable',
  'damaged',
] as const satisfies readonly ShownState[];

export interface MachineFilter {
  /** Empty: whatever their state. */
  states: readonly ShownState[];
  /** Part of the name, in any case; empty: whatever their name. */
  name: string;
}

export const machineOrders = ['name', 'state', 'lastUsed'] as const;
export type MachineOrder = (typeof machineOrders)[number];

export const noFilter: MachineFilter = { states: [], name: '' };

export function isFiltering({ states, name }: MachineFilter): boolean {
  return states.length > 0 || name !== '';
}

export function shownState(machine: Pick<MachineInfo, 'host' | 'state'>): ShownState {
  return machine.host === 'disks' && !isUnread(machine) ? 'disks' : machine.state;
}

/** True of a machine of which nothing is known but its name and its folder. */
export function isUnread({ state }: Pick<MachineInfo, 'state'>): boolean {
  return state === 'damaged' || state === 'unreachable';
}

export function passes(
  machine: Pick<MachineInfo, 'host' | 'state' | 'name'>,
  { states, name }: MachineFilter,
): boolean {
  return (
    (states.length === 0 || states.includes(shownState(machine))) &&
    machine.name.toLocaleLowerCase().includes(name.toLocaleLowerCase())
  );
}

/** Those that pass the filter, sorted; where the order does not tell, by name. */
export function arranged(
  machines: readonly MachineInfo[],
  { filter, order }: { filter: MachineFilter; order: MachineOrder },
): MachineInfo[] {
  return machines.filter((machine) => passes(machine, filter)).toSorted((a, b) => compare(a, b, order) || byName(a, b));
}

function compare(a: MachineInfo, b: MachineInfo, order: MachineOrder): number {
  switch (order) {
    case 'name':
      return 0;
    case 'state':
      return placeOf(a) - placeOf(b);
    case 'lastUsed':
      return Number(isUp(b)) - Number(isUp(a)) || lastUsed(b).localeCompare(lastUsed(a));
  }
}

/** Numbers in names count as numbers. Made once: to make it takes longer than a hundred comparisons. */
const names = new Intl.Collator(undefined, { numeric: true });

export function compareNames(a: string, b: string): number {
  return names.compare(a, b);
}

function byName(a: MachineInfo, b: MachineInfo): number {
  return compareNames(a.name, b.name);
}

function placeOf(machine: MachineInfo): number {
  return shownStates.indexOf(shownState(machine));
}

function isUp({ state }: MachineInfo): boolean {
  return state === 'running' || state === 'paused';
}

/** The last time that is on record, in ISO 8601: a checkpoint was taken, or kept by an apply or undo, or deleted. */
function lastUsed({ checkpoints, trash }: MachineInfo): string {
  const times = [...checkpoints.map(({ created }) => created), ...trash.map(({ deleted }) => deleted)];
  return times.reduce((last, one) => (one > last ? one : last), '');
}

/** A filter that was kept; what cannot be one is none. */
export function readFilter(kept: unknown): MachineFilter {
  if (typeof kept !== 'object' || kept === null || !('states' in kept) || !('name' in kept)) {
    return noFilter;
  }
  const { states, name } = kept;
  return Array.isArray(states) && typeof name === 'string'
    ? { states: shownStates.filter((state) => states.includes(state)), name }
    : noFilter;
}

/** An order that was kept; what cannot be one is the default. */
export function readOrder(kept: unknown): MachineOrder {
  return machineOrders.find((order) => order === kept) ?? 'name';
}
